// main.tsx - starts the page: configuration, connection, session, view.

import { ConvexAuthProvider } from "@convex-dev/auth/react";
import { ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { App } from "./app/App";
import { loadConfig, type Config } from "./app/config";
import { ConfigProvider } from "./app/session";
import { ErrorBoundary } from "./ui/ErrorBoundary";
import { Notice } from "./ui/Notice";
import "./ui/tokens.css";
import "./ui/base.css";

async function start(root: Root): Promise<void> {
  let config: Config;
  try {
    config = await loadConfig();
  } catch (error) {
    root.render(
      <Notice title="This page is not set up">
        <p>{error instanceof Error ? error.message : String(error)}</p>
      </Notice>,
    );
    return;
  }
  const client = new ConvexReactClient(config.convexUrl, {
    unsavedChangesWarning: false, // nothing here is lost by leaving
  });
  root.render(
    <StrictMode>
      <ErrorBoundary within="window">
        <ConfigProvider value={config}>
          <ConvexAuthProvider client={client}>
            <App />
          </ConvexAuthProvider>
        </ConfigProvider>
      </ErrorBoundary>
    </StrictMode>,
  );
}

void start(createRoot(document.getElementById("root")!));

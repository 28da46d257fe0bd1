// App.tsx - which page this address means, and whether this person may see it.

import { useConvexAuth, useQuery } from "convex/react";
import { useEffect, useState } from "react";
import { NoAccess } from "../account/NoAccess";
import { SessionEnd } from "../account/SessionEnd";
import { SignIn } from "../account/SignIn";
import { Confirms } from "../ui/Confirm";
import { ErrorBoundary } from "../ui/ErrorBoundary";
import { forgetFiles } from "../ui/files";
import { Toasts } from "../ui/Toast";
import { api } from "./api";
import { NotFound } from "./NotFound";
import { matchPath, usePlace, type Place } from "./router";
import { routes, type Found } from "./routes";
import { SessionProvider, useConfig, useSession } from "./session";
import { Bare, Page, Shell } from "./Shell";
import { Waiting } from "./Waiting";

export function App() {
  const found = routeOf(usePlace());
  return (
    <Toasts>
      <Confirms>
        {found?.route.who === "anyone" ? (
          <Bare found={found} />
        ) : (
          <ForPeople found={found} />
        )}
      </Confirms>
    </Toasts>
  );
}

function routeOf({ path, query }: Place): Found | null {
  for (const route of routes) {
    const params = matchPath(route.path, path);
    if (params !== null) return { route, params, query };
  }
  return null;
}

function ForPeople({ found }: { found: Found | null }) {
  const { isLoading, isAuthenticated } = useConvexAuth();
  if (isLoading) return <Waiting />;
  if (!isAuthenticated) return <SignIn />;
  return (
    <SessionEnd>
      <SignedIn found={found} />
    </SessionEnd>
  );
}

function SignedIn({ found }: { found: Found | null }) {
  const { community } = useConfig();
  const me = useQuery(api.feed.mine, {});
  useEffect(() => forgetFiles, []); // at sign-out
  if (me === undefined) return <Waiting />;
  const standing = me.communities.find((one) => one.slug === community);
  return (
    <SessionProvider value={{ me, community, standing }}>
      <Shell found={found}>
        <Permitted found={found} />
      </Shell>
    </SessionProvider>
  );
}

function Permitted({ found }: { found: Found | null }) {
  const { me, standing } = useSession();
  const kept = useKept(found);
  const member = standing?.live === true;
  return (
    <>
      {kept !== null && member && (
        <div hidden={kept.route !== found?.route}>
          <Guarded found={kept} active={kept.route === found?.route} />
        </div>
      )}
      {found === null || (found.route.who === "operator" && !me.operator) ? (
        <NotFound />
      ) : found.route.who === "member" && !member ? (
        <NoAccess />
      ) : (
        found.route !== kept?.route && <Guarded found={found} active />
      )}
    </>
  );
}

function Guarded({ found, active }: { found: Found; active: boolean }) {
  return (
    <ErrorBoundary key={found.route.path} refused={<NoAccess />}>
      <Page found={found} active={active} />
    </ErrorBoundary>
  );
}

// A page that is kept goes on behind the others once it was shown.
function useKept(found: Found | null): Found | null {
  const [kept, setKept] = useState<Found | null>(null);
  if (found?.route.keep && found.query !== kept?.query) setKept(found);
  return found?.route.keep ? found : kept;
}

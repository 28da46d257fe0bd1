// App.tsx - which view this person gets.

import { useConvexAuth, useQuery } from "convex/react";
import { api } from "./api";
import type { Config } from "./config";
import { ErrorBoundary } from "./ErrorBoundary";
import { FeedPage } from "./FeedPage";
import { NoAccess } from "./NoAccess";
import { SignIn } from "./SignIn";
import { Waiting } from "./Waiting";

export function App({ config }: { config: Config }) {
  const { isLoading, isAuthenticated } = useConvexAuth();
  if (isLoading) return <Waiting />;
  if (!isAuthenticated) return <SignIn />;
  return <SignedIn config={config} />;
}

function SignedIn({ config }: { config: Config }) {
  const me = useQuery(api.feed.mine, {});
  if (me === undefined) return <Waiting />;
  const standing = me.communities.find((one) => one.slug === config.community);
  const refused = <NoAccess me={me} standing={standing} />;
  if (!standing?.live) return refused;
  return (
    <ErrorBoundary refused={refused}>
      <FeedPage
        community={standing}
        email={me.email}
        sampling={config.sampling}
      />
    </ErrorBoundary>
  );
}

// SharesPage.tsx - links with which people without an account may read for a while.

import { ShareManager } from "../share/ShareManager";
import { Panel } from "../ui/Panel";
import { OperatorPage } from "./community";

export function SharesPage() {
  return (
    <OperatorPage title="Share links">
      {({ slug }) => (
        <Panel
          title="Links"
          lead="Whoever has a link may read, without an account: words only, no files. It ends at its time, or when you withdraw it."
        >
          <ShareManager community={slug} />
        </Panel>
      )}
    </OperatorPage>
  );
}

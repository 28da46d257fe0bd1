// NotFound.tsx - an address that leads nowhere.

import { EmptyState } from "../ui/EmptyState";
import { href, Link } from "./router";
import { useTitle } from "./title";

export function NotFound() {
  useTitle("Not found");
  return (
    <EmptyState title="There is no such page">
      <p>The address may be mistyped, or the page is not for this account.</p>
      <Link className="button" to={href("/", {})}>
        Go to the signals
      </Link>
    </EmptyState>
  );
}

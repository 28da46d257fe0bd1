// routes.tsx - every page there is: its address, who may see it, and where it leads from.
//
// A page is code of its own, loaded when it is first shown; only the feed, where everybody
// lands, comes at once. To add one: a row here, and a component that takes PageProps.

import { lazy, type ComponentType } from "react";
import { FeedPage } from "../feed/FeedPage";
import { operatorRoutes } from "../operator/routes";
import type { IconName } from "../ui/Icon";

export type PageProps = {
  params: Record<string, string>; // of the path: "/signal/:messageId" has messageId
  query: URLSearchParams;
  active: boolean; // false: kept behind another page
};

export type Route = {
  path: string;
  title: string; // of the window, until the page calls useTitle()
  page: ComponentType<PageProps>; // lazy(() => import("../area/SomePage"))
  // anyone: no session needed. person: signed in. member: may read the signals now.
  who: "anyone" | "person" | "member" | "operator";
  keep?: true; // goes on behind other pages, so that one comes back to it as it was
  nav?: {
    label: string;
    icon: IconName;
    group: "main" | "operator";
    keys?: `g ${string}`; // leads there from everywhere
  };
};

export type Found = {
  route: Route;
  params: PageProps["params"];
  query: PageProps["query"];
};

export const routes: readonly Route[] = [
  {
    path: "/",
    title: "Signals",
    page: FeedPage,
    who: "member",
    keep: true,
    nav: { label: "Signals", icon: "pulse", group: "main", keys: "g f" },
  },
  {
    path: "/signal/:messageId",
    title: "Signal",
    page: lazy(async () => ({
      default: (await import("../signal/SignalPage")).SignalPage,
    })),
    who: "member",
  },
  {
    path: "/account",
    title: "Account",
    page: lazy(() => import("../account/AccountPage")),
    who: "person",
    nav: { label: "Account", icon: "user", group: "main", keys: "g a" },
  },
  {
    path: "/share/:token",
    title: "Shared signals",
    page: lazy(() => import("../share/SharePage")),
    who: "anyone",
  },
  ...operatorRoutes,
];

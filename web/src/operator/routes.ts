// routes.ts - the operator's rows of the table of pages.

import { lazy, type ComponentType } from "react";
import type { PageProps, Route } from "../app/routes";
import type { IconName } from "../ui/Icon";

type Pages = typeof import("./pages");

function page(name: keyof Pages) {
  return lazy(async () => {
    const pages = await import("./pages");
    return { default: pages[name] as ComponentType<PageProps> };
  });
}

function row(
  path: string,
  name: keyof Pages,
  title: string,
  icon?: IconName,
): Route {
  const nav = icon && { label: title, icon, group: "operator" as const };
  return {
    path: `/operator${path}`,
    title,
    page: page(name),
    who: "operator",
    ...(nav ? { nav } : {}),
  };
}

export const operatorRoutes: readonly Route[] = [
  row("", "Overview", "Overview", "chart"),
  row("/channels", "ChannelsPage", "Channels", "hash"),
  row("/people", "PeoplePage", "People", "people"),
  row("/people/:email", "PersonPage", "Person"),
  row("/events", "EventsPage", "Payments", "receipt"),
  row("/events/:id", "EventPage", "Event"),
  row("/queues", "QueuesPage", "Queues", "queue"),
  row("/shares", "SharesPage", "Share links", "share"),
  row("/audit", "AuditPage", "Audit log", "file"),
  row("/exports", "ExportsPage", "Exports", "download"),
  // For anybody who signed in: it says to those who are no operators how one is made.
  { ...row("/setup", "SetupPage", "First run"), who: "person" },
];

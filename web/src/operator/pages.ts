// pages.ts - the operator's pages: one piece of code, loaded when the first of them is shown.

export { AuditPage } from "./AuditPage";
export { ChannelsPage } from "./ChannelsPage";
export { EventPage } from "./EventPage";
export { EventsPage } from "./EventsPage";
export { ExportsPage } from "./ExportsPage";
export { Overview } from "./Overview";
export { PeoplePage } from "./PeoplePage";
export { PersonPage } from "./PersonPage";
export { QueuesPage } from "./QueuesPage";
export { SetupPage } from "./SetupPage";
export { SharesPage } from "./SharesPage";

// A customer without a screen: the official JS client on the same query as the
// dashboard, noting when each signal arrives.
import { ConvexClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { WebSocket } from "ws";
import { Latency } from "./latency";
import { COMMUNITY, type Stack } from "./stack";

export interface FeedItem {
  messageId: string;
  channel: { name: string };
  author: { name: string };
  content: string;
  version: string;
  sourceAt: number;
  capturedAt: number;
  committedAt: number;
}

interface HopTimes {
  messageId: string;
  sourceAt: number;
  capturedAt: number;
  committedAt: number;
  postedAt?: number;
}

export class Viewer {
  readonly latency = new Latency();
  readonly seenAt = new Map<string, number>(); // message id -> ms
  items: FeedItem[] = [];
  connected = false;
  private readonly client: ConvexClient;
  private readonly counted = new Set<string>();
  private readonly posted = new Set<string>();
  private readonly since = Date.now();

  constructor(
    private readonly stack: Stack,
    watchHops: boolean,
  ) {
    this.client = new ConvexClient(stack.backendUrl, {
      webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
      unsavedChangesWarning: false,
      logger: false,
    });
    this.client.setAuth(async () => await stack.signIn().catch(() => null));
    // As the dashboard asks: pages that are split when they have grown.
    this.client.onPaginatedUpdate_experimental(
      makeFunctionReference<"query">("feed:list"),
      { community: COMMUNITY },
      { initialNumItems: 25 },
      // its declared type is that of one page; what comes is all of them
      (all) => this.take((all as unknown as { results: FeedItem[] }).results),
      () => (this.connected = false),
    );
    if (watchHops)
      this.client.onUpdate(
        makeFunctionReference<"query">("latency:recent"),
        { community: COMMUNITY, limit: 30 },
        (rows: HopTimes[]) => this.takeHops(rows),
        () => undefined,
      );
  }

  private take(items: FeedItem[]): void {
    const now = Date.now();
    this.connected = true;
    this.items = items;
    for (const item of items) {
      if (this.seenAt.has(item.messageId)) continue;
      this.seenAt.set(item.messageId, now);
      // what was there before we looked says nothing about latency
      if (item.sourceAt < this.since || this.counted.has(item.messageId))
        continue;
      this.counted.add(item.messageId);
      this.latency.addTimes({ ...item, seenAt: now });
    }
  }

  private takeHops(rows: HopTimes[]): void {
    for (const row of rows) {
      if (
        row.postedAt === undefined ||
        row.sourceAt < this.since ||
        this.posted.has(row.messageId)
      )
        continue;
      this.posted.add(row.messageId);
      this.latency.add("committed to posted", row.postedAt - row.committedAt);
      this.latency.add("source to posted", row.postedAt - row.sourceAt);
    }
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}

// world.ts - one community and everybody around it.
//
// A bot serves all communities, so each test leaves nothing to do behind.

import type { ConvexHttpClient } from "convex/browser";
import { api } from "../../convex/_generated/api";
import type { Community, Deployment } from "./deployment";
import { Bot, Guild } from "./mirror";
import { Source, type Event } from "./source";

/** A community with its collector, bot, customer guild and one member. */
export class World {
  private constructor(
    readonly community: Community,
    readonly source: Source,
    readonly bot: Bot,
    readonly guild: Guild,
    readonly collector: ConvexHttpClient,
    readonly member: ConvexHttpClient,
  ) {}

  static async make(
    deployment: Deployment,
    slug: string,
    channels = 1,
  ): Promise<World> {
    const community = await deployment.community(slug, channels);
    const member = await deployment.member(slug);
    const guild = new Guild();
    return new World(
      community,
      new Source(community),
      new Bot(await deployment.service("bot"), guild),
      guild,
      await deployment.service("collector"),
      member,
    );
  }

  /** Another of its channels. */
  at(channel: number): Source {
    return new Source(this.community, channel);
  }

  async record(events: Event[]) {
    const { results } = await this.collector.mutation(api.signals.record, {
      events,
    });
    return results;
  }

  async feed() {
    const { page } = await this.member.query(api.feed.list, {
      community: this.community.slug,
      paginationOpts: { numItems: 100, cursor: null },
    });
    return page;
  }
}

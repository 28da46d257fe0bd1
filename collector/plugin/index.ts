// index.ts - the plugin as Vencord loads it: settings, subscriptions, the queue.

import { DataStore, Notices } from "@api/index";
import { definePluginSettings } from "@api/Settings";
import definePlugin, { OptionType, type PluginNative } from "@utils/types";
import { ChannelStore, FluxDispatcher } from "@webpack/common";
import { eventOf, TYPES, type Action } from "./events";
import { Queue, type CapturedEvent } from "./queue";

const KEY = "SignalCapture_waiting";
const Native = VencordNative.pluginHelpers.SignalCapture as PluginNative<
  typeof import("./native")
>;

const settings = definePluginSettings({
  address: {
    type: OptionType.STRING,
    description: "PLUGIN_LISTEN of the collector on this machine",
    default: "127.0.0.1:8790",
  },
  token: {
    type: OptionType.STRING,
    description: "PLUGIN_TOKEN of the collector",
    default: "",
  },
  guilds: {
    type: OptionType.STRING,
    description: "Ids of the guilds to tell of, with commas between",
    default: "",
  },
});

let queue: Queue | null = null;
let lastProblem = "";

function report(problem: string): void {
  console.error("[SignalCapture]", problem);
  if (problem === lastProblem) return;
  lastProblem = problem;
  Notices.showNotice(`SignalCapture: ${problem}`, "OK", () =>
    Notices.popNotice(),
  );
}

const where = {
  get guilds(): ReadonlySet<string> {
    return new Set(settings.store.guilds.split(/[\s,]+/).filter(Boolean));
  },
  channelOf(id: string): { guildId?: string; parentId?: string } {
    const channel = ChannelStore.getChannel(id);
    if (!channel) return {};
    const guildId = channel.guild_id;
    return channel.isThread()
      ? { guildId, parentId: channel.parent_id }
      : { guildId };
  },
};

function onAction(action: Action): void {
  const event = eventOf(action, where, Date.now());
  if (event && queue)
    queue.add(event).catch((error: unknown) => report(String(error)));
}

export default definePlugin({
  name: "SignalCapture",
  description:
    "Tells a collector on this machine what is written in some guilds. Against Discord's terms: at your own risk.",
  authors: [],
  settings,
  enabledByDefault: false,

  start() {
    queue = new Queue({
      post: (body) =>
        Native.post(settings.store.address, settings.store.token, body),
      load: () => DataStore.get<CapturedEvent[]>(KEY),
      store: (events) => DataStore.set(KEY, events),
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      report,
    });
    for (const type of TYPES) FluxDispatcher.subscribe(type, onAction);
    queue.open().catch((error: unknown) => report(String(error)));
  },

  stop() {
    for (const type of TYPES) FluxDispatcher.unsubscribe(type, onAction);
    queue?.close();
    queue = null;
  },
});

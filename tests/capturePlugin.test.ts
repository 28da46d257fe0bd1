// What the capture plugin tells, and how its queue treats the collector's answers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventOf, type Action } from "../collector/plugin/events";
import {
  Queue,
  type Answer,
  type CapturedEvent,
} from "../collector/plugin/queue";

const THREAD = "46";
const where = {
  guilds: new Set(["6"]),
  channelOf: (id: string) =>
    id === THREAD ? { guildId: "6", parentId: "45" } : { guildId: "6" },
};

const cases: [string, Action, object | null][] = [
  [
    "a message has its guild's id",
    { type: "MESSAGE_CREATE", message: { id: "1", channel_id: "45" } },
    { data: { id: "1", channel_id: "45", guild_id: "6" } },
  ],
  [
    "one in a thread has its channel's",
    { type: "MESSAGE_UPDATE", message: { id: "1", channel_id: THREAD } },
    {
      data: { id: "1", channel_id: THREAD, guild_id: "6" },
      parentId: "45",
    },
  ],
  [
    "a delete names what it deletes",
    { type: "MESSAGE_DELETE", id: "1", channelId: "45" },
    { data: { id: "1", channel_id: "45", guild_id: "6" } },
  ],
  [
    "a bulk delete names all",
    { type: "MESSAGE_DELETE_BULK", ids: ["1", "2"], channelId: "45" },
    { data: { ids: ["1", "2"], channel_id: "45", guild_id: "6" } },
  ],
  [
    "a thread's end names its channel",
    {
      type: "THREAD_DELETE",
      channel: { id: THREAD, guild_id: "6", parent_id: "45" },
    },
    { data: { id: THREAD, guild_id: "6", parent_id: "45" } },
  ],
  [
    "what is not sent yet is not told",
    {
      type: "MESSAGE_CREATE",
      optimistic: true,
      message: { id: "1", channel_id: "45" },
    },
    null,
  ],
  [
    "another guild is not told of",
    {
      type: "MESSAGE_CREATE",
      guildId: "7",
      message: { id: "1", channel_id: "9" },
    },
    null,
  ],
];
for (const [name, action, wanted] of cases)
  test(`plugin: ${name}`, () => {
    assert.deepEqual(
      eventOf(action, where, 5),
      wanted && { name: action.type, capturedAt: 5, ...wanted },
    );
  });

const event = (id: number): CapturedEvent => ({
  name: "MESSAGE_DELETE",
  data: { id: String(id) },
  capturedAt: 1,
});

/** A collector that answers from a list, then takes everything. */
function scripted(answers: Answer[], left: CapturedEvent[] = []) {
  const taken: string[] = [];
  const pauses: number[] = [];
  const problems: string[] = [];
  let stored: CapturedEvent[] = left;
  const queue = new Queue({
    post: async (body) => {
      const { events } = JSON.parse(body) as {
        events: { data: { id: string } }[];
      };
      const ids = events.map(({ data }) => data.id);
      const answer = answers.shift() ?? { status: 200, error: "" };
      if (answer.status === 200) taken.push(...ids);
      return answer;
    },
    load: async () => left,
    store: async (events) => {
      stored = [...events];
    },
    sleep: async (ms) => {
      pauses.push(ms);
    },
    report: (problem) => problems.push(problem),
  });
  return { queue, taken, pauses, problems, stored: () => stored.length };
}

test("plugin: what an earlier life left goes first, and is kept until it is taken", async () => {
  const away = { status: 0, error: "refused" };
  const full = { status: 503, error: "the outbox is full" };
  const script = scripted([away, full, away], [event(1), event(2)]);
  const opened = script.queue.open();
  await script.queue.add(event(3));
  await opened;
  assert.deepEqual(script.taken, ["1", "2", "3"]);
  assert.deepEqual(script.pauses, [500, 1000, 2000]);
  assert.equal(script.stored(), 0);
  assert.deepEqual(script.problems, []);
});

test("plugin: an event that is refused holds up no other", async () => {
  const bad = { status: 400, error: "events[0].data.id" };
  const ok = { status: 200, error: "" };
  const script = scripted(
    [bad, ok, bad, bad],
    [1, 2, 3].map((id) => event(id)),
  );
  await script.queue.open();
  assert.deepEqual(script.taken, ["1", "3"]);
  assert.equal(script.problems.length, 1);
});

test("plugin: a full queue keeps what it has and says what it loses", async () => {
  const left = Array.from({ length: 5000 }, (_, id) => event(id));
  const script = scripted([], left);
  script.queue.close();
  await script.queue.open();
  await script.queue.add(event(5000));
  assert.equal(script.queue.length, 5000);
  assert.match(script.problems[0]!, /5000 events wait/);
});

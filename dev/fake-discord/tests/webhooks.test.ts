// Webhooks: managed by bots, used by whoever has the token.
import assert from "node:assert/strict";
import test from "node:test";
import {
  bench,
  COLLECTOR,
  identified,
  INTENTS,
  MIRROR,
  MIRROR_VIP,
  OTTO,
  PREMIUM,
  rest,
  type Bench,
  type Json,
} from "./harness.js";

const HOOKS = `/channels/${MIRROR_VIP}/webhooks`;
const bot = (b: Bench) => rest(b.url, "bot-token");
/** Without a token of its own, and under the name of any library. */
const anyone = (b: Bench) => {
  const call = rest(b.url, "", { authorization: "", "user-agent": "hook" });
  return call;
};
const live = (b: Bench): Promise<Json[]> =>
  b.control("GET", `/channels/${MIRROR_VIP}/messages`);

async function hook(
  b: Bench,
  name = "Signals",
): Promise<Json & { path: string }> {
  const { body } = await bot(b)("POST", HOOKS, { name });
  return { ...body, path: `/webhooks/${body.id}/${body.token}` };
}

test("a bot makes, lists, changes and removes webhooks, and hears where", async (t) => {
  const b = await bench(t);
  const heard = await identified(
    t,
    b.url,
    "bot-token",
    INTENTS.mirror | (1 << 5),
  );
  const made = await hook(b);
  await heard.event("WEBHOOKS_UPDATE", (d) => d["channel_id"] === MIRROR_VIP);
  assert.deepEqual(
    [made["type"], made["name"], made["application_id"], made["user"].id],
    [1, "Signals", MIRROR, MIRROR],
  );
  const listed = (await bot(b)("GET", HOOKS)).body;
  assert.deepEqual(
    listed.map((w: Json) => [w["id"], w["token"]]),
    [[made["id"], made["token"]]],
  );
  const one = `/webhooks/${made["id"]}`;
  assert.equal((await bot(b)("PATCH", one, { name: "New" })).body.name, "New");
  assert.equal((await anyone(b)("GET", made.path)).body.name, "New");
  assert.equal((await bot(b)("DELETE", one)).status, 204);
  const gone = await anyone(b)("POST", made.path, { content: "x" });
  assert.deepEqual([gone.status, gone.body.code], [404, 10015]);
});

test("a channel has at most fifteen webhooks", async (t) => {
  const b = await bench(t);
  for (let i = 0; i < 15; i++) await hook(b, `hook ${i}`);
  const { status, body } = await bot(b)("POST", HOOKS, { name: "one more" });
  assert.deepEqual([status, body.code], [400, 30007]);
});

test("webhooks need Manage Webhooks, a token needs to be right", async (t) => {
  const b = await bench(t);
  const made = await hook(b);
  await b.fault("lose_permission", {
    user_id: MIRROR,
    permissions: String(1 << 29),
  });
  assert.equal((await bot(b)("POST", HOOKS, { name: "x" })).body.code, 50013);
  assert.equal((await bot(b)("GET", HOOKS)).body.code, 50013);
  const wrong = await anyone(b)("POST", `/webhooks/${made["id"]}/wrong`, {});
  assert.deepEqual([wrong.status, wrong.body.code], [401, 50027]);
  const posted = await anyone(b)("POST", `${made.path}?wait=true`, {
    content: "x",
  });
  assert.equal(posted.status, 200, "the token alone is enough");
});

test("a message of a webhook has its face, or the one it is given", async (t) => {
  const b = await bench(t);
  const heard = await identified(t, b.url, "bot-token", INTENTS.mirror);
  const made = await hook(b);
  const silent = await anyone(b)("POST", made.path, { content: "no wait" });
  assert.deepEqual([silent.status, silent.body], [204, ""]);
  const { body } = await anyone(b)("POST", `${made.path}?wait=true`, {
    content: "as Mara",
    username: "Mara",
    avatar_url: "https://example.com/mara.png",
  });
  assert.deepEqual(
    [body.webhook_id, body.author.id, body.author.username, body.author.bot],
    [made["id"], made["id"], "Mara", true],
  );
  assert.match(body.author.avatar, /^[0-9a-f]{32}$/);
  const event = await heard.event("MESSAGE_CREATE", (d) => d["id"] === body.id);
  assert.equal(event["d"].webhook_id, made["id"]);
  assert.equal("member" in event["d"], false);
  assert.deepEqual(
    (await live(b)).map((m) => m["author"].username),
    ["Signals", "Mara"],
  );
});

test("a webhook edits and deletes what it wrote, a bot may only delete it", async (t) => {
  const b = await bench(t);
  const made = await hook(b);
  const other = await hook(b, "Other");
  const { body } = await anyone(b)("POST", `${made.path}?wait=true`, {
    content: "one",
  });
  const path = `${made.path}/messages/${body.id}`;
  const edited = await anyone(b)("PATCH", path, { content: "two" });
  assert.deepEqual(
    [edited.body.content, edited.body.edited_timestamp !== null],
    ["two", true],
  );
  assert.equal((await anyone(b)("GET", path)).body.content, "two");
  const foreign = `${other.path}/messages/${body.id}`;
  assert.equal((await anyone(b)("PATCH", foreign, {})).body.code, 10008);
  const direct = `/channels/${MIRROR_VIP}/messages/${body.id}`;
  const byBot = await bot(b)("PATCH", direct, { content: "three" });
  assert.deepEqual([byBot.status, byBot.body.code], [403, 50005]);
  assert.equal((await anyone(b)("DELETE", path)).status, 204);
  assert.deepEqual(await live(b), []);
});

const BAD_NAMES: [name: string, reason: string][] = [
  ["Clyde the bot", "USERNAME_INVALID_CONTAINS"],
  ["DISCORD news", "USERNAME_INVALID_CONTAINS"],
  ["x".repeat(81), "BASE_TYPE_MAX_LENGTH"],
  ["", "BASE_TYPE_BAD_LENGTH"],
];
test("names that Discord does not allow are refused", async (t) => {
  const b = await bench(t);
  const made = await hook(b);
  for (const [name, reason] of BAD_NAMES)
    for (const [path, field] of [
      [HOOKS, "name"],
      [made.path, "username"],
    ] as const) {
      const { status, body } = await (field === "name" ? bot(b) : anyone(b))(
        "POST",
        path,
        { content: "x", [field]: name },
      );
      assert.equal(status, 400);
      assert.equal(body.errors[field]._errors[0].code, reason, name);
    }
});

test("a webhook rings users by default, and nobody when told so", async (t) => {
  const b = await bench(t);
  const made = await hook(b);
  const content = `<@${OTTO}> <@&${PREMIUM}> @everyone`;
  await anyone(b)("POST", made.path, { content });
  await anyone(b)("POST", made.path, {
    content,
    allowed_mentions: { parse: [] },
  });
  const rung = (await live(b)).map(({ pings }) => [
    pings.everyone,
    pings.users,
    pings.roles,
  ]);
  assert.deepEqual(rung, [
    [false, [OTTO], []],
    [false, [], []],
  ]);
});

test("a webhook knows no nonce: the same post twice is two messages", async (t) => {
  const b = await bench(t);
  const made = await hook(b);
  const body = { content: "twice", nonce: "n", enforce_nonce: true };
  for (let i = 0; i < 2; i++) await anyone(b)("POST", made.path, body);
  assert.equal((await live(b)).length, 2);
});

test("each webhook has a bucket of its own, and a channel's share one more", async (t) => {
  const b = await bench(t);
  await b.control("POST", "/settings", {
    rates: { "webhook-execute": [2, 3600], "webhook-channel": [3, 3600] },
  });
  const [one, two] = [await hook(b), await hook(b)];
  const post = async (path: string) => {
    const answer = await anyone(b)("POST", path, { content: "x" });
    return [answer.status, answer.headers.get("x-ratelimit-scope")];
  };
  assert.deepEqual(
    [await post(one.path), await post(one.path), await post(one.path)],
    [
      [204, null],
      [204, null],
      [429, "user"],
    ],
  );
  assert.deepEqual(
    [await post(two.path), await post(two.path)],
    [
      [204, null],
      [429, "shared"],
    ],
  );
});

test("with its channel a webhook goes; its token is in no journal", async (t) => {
  const b = await bench(t);
  const made = await hook(b);
  await anyone(b)("POST", made.path, { content: "x" });
  await b.control("DELETE", `/channels/${MIRROR_VIP}`);
  const { body } = await anyone(b)("POST", made.path, { content: "x" });
  assert.equal(body.code, 10015);
  const text = JSON.stringify(await b.control("GET", "/journal"));
  assert.ok(!text.includes(made["token"]));
  assert.ok(text.includes("/webhooks/:webhook/:token"));
});

test("another application does not see a webhook's token", async (t) => {
  const b = await bench(t);
  await hook(b);
  await b.control("PUT", `/guilds/1200000000000000001/members/${COLLECTOR}`, {
    roles: ["1200000000000000202"],
  });
  const { body } = await rest(b.url, "collector-token")("GET", HOOKS);
  assert.deepEqual([body.length, "token" in body[0]], [1, false]);
});

// The bot alone: signals are written to the backend as the collector would, Discord is the
// fake. What becomes of each trouble, and where the operator sees it.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { GUILD, MirrorWorld, US } from "./mirror-world";

let world: MirrorWorld;

before(async () => {
  world = await MirrorWorld.start();
  await world.bot();
});
afterEach(async () => await world.calm());
after(async () => await world.close());

/** Gives the bot these permissions in the guild, and no others. */
async function permit(permissions: bigint): Promise<void> {
  const role = (id: string, name: string, position: number, bits: bigint) =>
    world.discord.control("POST", "/roles", {
      ...{ guild_id: GUILD, id, name, position },
      permissions: String(bits),
    });
  await role(GUILD, "@everyone", 0, 0n);
  await role("1200000000000000203", "mirror", 2, permissions);
}
const bit = (n: number) => 1n << BigInt(n);
const POSTS = bit(10) | bit(11) | bit(14) | bit(15) | bit(16);
const ROLES = bit(28);

test("the check of permissions names what is missing, and passes once it is allowed", async () => {
  const pair = await world.pair();
  await permit(bit(10) | bit(11) | bit(16));
  const failed = await world.check(pair, "permissions");
  assert.equal(failed.state, "failed");
  assert.match(failed.findings[0]!.detail, /Embed Links/);
  assert.match(failed.findings[1]!.detail, /Attach Files/);
  assert.match(failed.findings[2]!.detail, /paid role/);
  for (const { instruction } of failed.findings)
    assert.match(instruction, /role/);
  await permit(POSTS | ROLES | bit(29));
  const passed = await world.check(pair, "permissions");
  assert.deepEqual(
    [passed.state, passed.findings.map(({ code }) => code)],
    ["passed", ["ok"]],
  );
});

test("a test post is made, read back and deleted, and says how long that took", async () => {
  const pair = await world.pair();
  const since = await world.mark();
  const { state, findings } = await world.check(pair, "test_post");
  assert.equal(state, "passed", JSON.stringify(findings));
  assert.match(findings[0]!.detail, /in \d+ ms/);
  assert.deepEqual(await world.posts(pair), []);
  const made = (await world.calls(since)).filter(
    ({ method, path, status }) =>
      method === "POST" && path.includes(pair.mirror) && status === 200,
  );
  assert.equal(made.length, 1);
});

test("a test post that Discord refuses says why and what to do", async () => {
  const pair = await world.pair();
  await world.fault({
    kind: "lose_permission",
    user_id: US,
    channel_id: pair.mirror,
    permissions: String(bit(11)),
  });
  const { state, findings } = await world.check(pair, "test_post");
  assert.equal(state, "failed");
  assert.match(findings[0]!.detail, /Discord refused posting: .*Permission/);
  assert.match(findings[0]!.instruction, /permissions/);
});

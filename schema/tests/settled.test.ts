import assert from "node:assert/strict";
import { test } from "node:test";
import type { Doc } from "../convex/_generated/dataModel";
import {
  attemptedWith,
  free,
  heldUntil,
  operationOf,
  settled,
  type Outcome,
} from "../convex/model/mirrors";

const NOW = 1_000_000;
const actual = { messageIds: ["55"], version: "v1", postedAt: 1 };

function row(over: Partial<Doc<"mirrors">> = {}): Doc<"mirrors"> {
  return {
    _id: "m" as Doc<"mirrors">["_id"],
    _creationTime: 1,
    communityId: "c" as Doc<"mirrors">["communityId"],
    messageId: "1",
    order: "1",
    mirrorChannelId: "2",
    desired: { state: "present", version: "v1" },
    actual: null,
    wants: true,
    wantedAt: 1,
    generation: 1,
    fence: 1,
    lease: { instance: "a", until: NOW + 1 },
    attempts: 1,
    firstAttemptAt: 500,
    attempted: "v1",
    nextAttemptAt: null,
    dead: false,
    ...over,
  };
}

const absent = { state: "absent" } as const;
const v2 = { state: "present", version: "v2" } as const;

test("what there is to do follows from desired and actual", () => {
  const known = { firstAttemptAt: null };
  const present = { state: "present", version: "v1" } as const;
  const cases = [
    [{ desired: present, actual: null, ...known }, "post"],
    [{ desired: present, actual, ...known }, null],
    [{ desired: v2, actual, ...known }, "edit"],
    [{ desired: absent, actual, ...known }, "delete"],
    [{ desired: absent, actual: null, ...known }, null],
  ] as const;
  for (const [wish, op] of cases) assert.equal(operationOf(wish), op);
});

test("a post of unknown outcome is finished before it is deleted", () => {
  const unknown = row({ desired: absent });
  assert.equal(operationOf(unknown), "post");
  const posted = {
    type: "posted",
    messageIds: ["5"],
    postedAt: 2,
    version: "v1",
  };
  const after = settled(unknown, { ...posted, type: "posted" }, NOW);
  assert.equal(after.wants, true);
  assert.equal(operationOf({ ...unknown, ...after }), "delete");
});

test("an edit of unknown outcome is made again", () => {
  assert.equal(operationOf(row({ actual })), "edit");
});

test("a repeated post that finds an older text wants an edit", () => {
  const first = row({ firstAttemptAt: null, attempted: null });
  const once = row({ attempted: attemptedWith(first, "v1") });
  assert.equal(once.attempted, "v1");
  assert.equal(attemptedWith(once, "v1"), "v1");
  const twice = row({ desired: v2, attempted: attemptedWith(once, "v2") });
  const outcome = {
    type: "posted" as const,
    messageIds: ["5"],
    postedAt: 2,
    version: "v2",
  };
  const after = { ...twice, ...settled(twice, outcome, NOW) };
  assert.equal(after.wants, true);
  assert.equal(operationOf(after), "edit");
});

test("a post that is already outdated wants an edit", () => {
  const outcome: Outcome = {
    type: "posted",
    messageIds: ["5"],
    postedAt: 2,
    version: "v1",
  };
  const after = settled(row({ desired: v2 }), outcome, NOW);
  assert.equal(after.wants, true);
  assert.equal(after.lease, null);
  const done = settled(row(), outcome, NOW);
  assert.equal(done.wants, false);
});

test("a retry keeps wanting, but not before its time", () => {
  const outcome = { type: "retry", error: "429", retryAfterMs: 700 } as const;
  const after = { ...row(), ...settled(row(), outcome, NOW) };
  assert.equal(after.wants, true);
  assert.equal(heldUntil(after), NOW + 700);
});

test("a dead row wants nothing and says why", () => {
  const after = settled(row(), { type: "dead", error: "Missing Access" }, NOW);
  assert.deepEqual([after.wants, after.dead], [false, true]);
  assert.equal(after.error, "Missing Access");
});

test("a deleted post is gone for good", () => {
  const before = row({ desired: absent, actual });
  const after = { ...before, ...settled(before, { type: "deleted" }, NOW) };
  assert.equal(after.wants, false);
  assert.equal(operationOf(after), null);
});

test("what is given back untried is as if it had not been handed out", () => {
  const handed = row({
    attempts: 1,
    firstAttemptAt: NOW,
    attempted: "v1",
    lease: { instance: "a", until: NOW + 15_000 },
  });
  const back = settled(handed, { type: "untried" }, NOW);
  assert.equal(back.attempts, 0);
  assert.equal(back.firstAttemptAt, null);
  assert.equal(back.attempted, null);
  assert.equal(back.lease, null);
  assert.equal(back.wants, true);
});

test("a signal deleted meanwhile is not posted when its work comes back untried", () => {
  const handed = row({ desired: absent, attempts: 1, firstAttemptAt: NOW });
  assert.equal(settled(handed, { type: "untried" }, NOW).wants, false);
});

test("giving back keeps what an earlier attempt left unknown", () => {
  const handed = row({ desired: absent, attempts: 2, firstAttemptAt: 5 });
  const back = settled(handed, { type: "untried" }, NOW);
  assert.equal(back.firstAttemptAt, 5);
  assert.equal(back.attempts, 1);
  assert.equal(back.wants, true);
});

test("a post that was deleted by hand is given up, or made again under another nonce", () => {
  const gone = { type: "gone", error: "deleted", again: false } as const;
  const left = settled(row({ actual }), gone, NOW);
  assert.deepEqual([left.wants, left.dead], [false, true]);
  assert.equal(left.error, "deleted");
  assert.equal(
    settled(row({ actual }), { ...gone, again: true }, NOW).wants,
    true,
  );
  const before = row({ actual, generation: 4 });
  const again = { ...before, ...settled(before, gone, NOW, true) };
  assert.equal(again.generation, 5);
  assert.equal(again.actual, null);
  assert.equal(operationOf(again), "post");
});

test("a post that somebody keeps deleting is made again three times, then given up", () => {
  const gone = { type: "gone", error: "deleted", again: false } as const;
  let now = row({ actual });
  for (let i = 0; i < 3; i++) {
    now = { ...now, ...settled(now, gone, NOW, true) };
    assert.deepEqual([now.wants, now.dead], [true, false]);
    now = { ...now, actual, wants: false };
  }
  const after = settled(now, gone, NOW, true);
  assert.deepEqual([after.wants, after.dead], [false, true]);
  assert.equal(after.error, "deleted, again after it was made anew 3 times");
  // a webhook that is gone takes its posts with it: that is no third hand's doing
  const again = settled(now, { ...gone, again: true }, NOW, true);
  assert.deepEqual([again.wants, again.remakes], [true, undefined]);
});

test("a doubt whether the post is there outlives work that was given back", () => {
  const doubted = row({
    actual,
    attempts: 0,
    firstAttemptAt: 7,
    attempted: null,
  });
  const attempted = attemptedWith(doubted, "v1");
  const handed = { ...doubted, attempts: 1, attempted };
  const back = { ...handed, ...settled(handed, { type: "untried" }, NOW) };
  assert.deepEqual([back.wants, operationOf(back)], [true, "edit"]);
  const posted = { ...actual, type: "posted", postedAt: NOW } as const;
  assert.equal(settled(handed, posted, NOW).wants, false);
});

test("a post that is gone and not wanted is simply gone", () => {
  const gone = { type: "gone", error: "deleted", again: false } as const;
  const before = row({ actual, desired: absent });
  const after = { ...before, ...settled(before, gone, NOW) };
  assert.deepEqual([after.wants, after.dead], [false, false]);
  assert.equal(operationOf(after), null);
});

test("a held post or lease holds those behind it, a held edit does not", () => {
  const waits = { lease: null, nextAttemptAt: NOW + 9, firstAttemptAt: null };
  const edit = row({ ...waits, actual, desired: v2 });
  const post = row(waits);
  const now = row({ lease: null, firstAttemptAt: null });
  const isHeld = (until: number) => until > NOW;
  assert.deepEqual(free([edit, now, post, now], isHeld), [now]);
  assert.deepEqual(free([row({ actual }), now], isHeld), []);
  assert.deepEqual(
    free([edit, post], () => false),
    [edit, post],
  );
});

test("the newest part of a post is remembered, whichever it is", () => {
  const outcome: Outcome = {
    type: "posted",
    messageIds: ["9", "100", "20"],
    postedAt: 2,
    version: "v1",
  };
  const { lastPost } = settled(row(), outcome, NOW);
  assert.equal(BigInt(lastPost!), 100n);
});

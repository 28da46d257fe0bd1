// Checks.tsx - has the bot try a mirror channel, and shows what it found and what to do.

import { useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { api } from "../app/api";
import { Badge, type Tone } from "../ui/Badge";
import { Button } from "../ui/Button";
import { Time } from "../ui/time";
import { useRun } from "./community";
import type { Channel } from "./forms";

export type Check = FunctionReturnType<typeof api.checks.latest>[number];
type Kind = Exclude<Check["kind"], "source">; // that can be asked for

const WORDS: Record<Check["state"], { words: string; tone: Tone }> = {
  waiting: { words: "waiting for the bot", tone: "info" },
  running: { words: "running", tone: "info" },
  passed: { words: "passed", tone: "good" },
  failed: { words: "failed", tone: "bad" },
};
const ASKED: Record<Kind, string> = {
  permissions: "Check permissions",
  test_post: "Send a test post",
};
const NAMES: Record<Check["kind"], string> = {
  source: "Reading",
  permissions: "Permissions",
  test_post: "Test post",
};

export function useChecks(community: string, channelId: Channel["id"]) {
  const all = useQuery(api.checks.latest, { community });
  return all?.filter((check) => check.channelId === channelId);
}

/** What the bot found when asked and, unless only that, what keeps the collector from reading. */
export function ChannelChecks(props: {
  community: string;
  channel: Channel;
  ofBot?: boolean;
}) {
  const { community, channel, ofBot } = props;
  const checks = useChecks(community, channel.id)?.filter(
    ({ kind, state }) => kind !== "source" || (!ofBot && state === "failed"),
  );
  const request = useMutation(api.checks.request);
  const { busy, run } = useRun();
  const ask = (kind: Kind) =>
    run(kind, async () => {
      await request({ community, channelId: channel.id, kind });
    });
  return (
    <div className="checks">
      <div className="buttons">
        {(Object.keys(ASKED) as Kind[]).map((kind) => (
          <Button
            key={kind}
            size="small"
            icon={kind === "permissions" ? "check" : "play"}
            busy={busy === kind || isOpen(checks, kind)}
            onClick={() => ask(kind)}
          >
            {ASKED[kind]}
          </Button>
        ))}
      </div>
      <ul className="check-list" aria-live="polite">
        {checks?.map((check) => (
          <li key={check.kind}>
            <CheckResult check={check} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function isOpen(checks: Check[] | undefined, kind: Kind): boolean {
  const state = checks?.find((check) => check.kind === kind)?.state;
  return state === "running" || state === "waiting";
}

export function CheckResult({ check }: { check: Check }) {
  const { words, tone } = WORDS[check.state];
  return (
    <>
      <p className="check-head">
        <strong>{NAMES[check.kind]}</strong> <Badge tone={tone}>{words}</Badge>{" "}
        <Time className="hint" at={check.at} />
      </p>
      {check.findings.length > 0 && (
        <ul className="findings">
          {check.findings.map((finding) => (
            <li key={`${finding.code} ${finding.detail}`}>
              <p>{finding.detail}</p>
              {finding.instruction && (
                <p className="instruction">{finding.instruction}</p>
              )}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

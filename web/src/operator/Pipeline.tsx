// Pipeline.tsx - how long signals took and how many there were, over time.

import { useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useRef, useState } from "react";
import { api } from "../app/api";
import { Panel, PanelWaiting } from "../ui/Panel";
import { Segmented } from "../ui/Segmented";
import { Table } from "../ui/Table";
import { Time, useTimed } from "../ui/time";
import { Chart, type Line } from "./Chart";
import { count, took } from "./words";

type Stats = FunctionReturnType<typeof api.stats.range>;
type Hop = keyof Stats["total"]["hops"];
type Volume = keyof Stats["total"]["counts"];

const HOUR = 3_600_000;
const RANGES = {
  "1h": HOUR,
  "6h": 6 * HOUR,
  "24h": 24 * HOUR,
  "7d": 168 * HOUR,
  "30d": 720 * HOUR,
};
type Range = keyof typeof RANGES;

const HOPS: { hop: Hop; from: string }[] = [
  { hop: "whole", from: "Written to posted" },
  { hop: "capture", from: "Written to captured" },
  { hop: "commit", from: "Captured to stored" },
  { hop: "post", from: "Stored to posted" },
  { hop: "seen", from: "Stored to on screen" },
];
const VOLUMES: { name: Volume; label: string; color: Line["color"] }[] = [
  { name: "signals", label: "Signals", color: "accent" },
  { name: "edits", label: "Edits", color: "info" },
  { name: "deletes", label: "Deletions", color: "bad" },
  { name: "posts", label: "Posts", color: "warn" },
];

export function Pipeline({ community }: { community: string }) {
  const [range, setRange] = useState<Range>("1h");
  const choice = (
    <Segmented
      label="Time shown"
      options={(Object.keys(RANGES) as Range[]).map((value) => ({
        value,
        label: value,
      }))}
      value={range}
      onChange={setRange}
    />
  );
  return (
    <>
      <Panel
        title="Latency"
        lead="From the analyst's message to each place it reaches."
        actions={choice}
      >
        <Latency community={community} range={range} />
      </Panel>
      <Panel title="Volume" lead="What passed through, in the same time.">
        <Volumes community={community} range={range} />
      </Panel>
    </>
  );
}

function Latency(props: { community: string; range: Range }) {
  const stats = useStats(props.community, props.range);
  const [hop, setHop] = useState<Hop>("whole");
  if (stats === undefined) return <PanelWaiting />;
  const times = timesOf(stats);
  const at = new Map(stats.spans.map((span) => [span.at, span.hops[hop]]));
  const line = (label: "p50" | "p95" | "p99", color: Line["color"]): Line => ({
    label,
    color,
    values: times.map((time) => at.get(time)?.[label] ?? null),
  });
  const name = HOPS.find((one) => one.hop === hop)!.from;
  return (
    <>
      <label className="inline-choice">
        Shown{" "}
        <select
          className="input"
          value={hop}
          onChange={(event) => setHop(event.target.value as Hop)}
        >
          {HOPS.map((one) => (
            <option key={one.hop} value={one.hop}>
              {one.from}
            </option>
          ))}
        </select>
      </label>
      <Chart
        label={`${name}: percentiles over time`}
        times={times}
        lines={[line("p99", "bad"), line("p95", "warn"), line("p50", "accent")]}
        format={took}
        logarithmic
      />
      <Table
        caption="Latency of each step"
        rows={HOPS}
        rowKey={(one) => one.hop}
        columns={[
          { title: "Step", cell: (one) => one.from },
          ...(["p50", "p95", "p99"] as const).map((share) => ({
            title: share,
            align: "end" as const,
            cell: (one: (typeof HOPS)[number]) =>
              took(stats.total.hops[one.hop][share]),
          })),
          {
            title: "Times measured",
            align: "end",
            cell: (one) => count(stats.total.hops[one.hop].count),
          },
        ]}
      />
      <Counted until={stats.until} />
    </>
  );
}

function Volumes(props: { community: string; range: Range }) {
  const stats = useStats(props.community, props.range);
  if (stats === undefined) return <PanelWaiting />;
  const times = timesOf(stats);
  const at = new Map(stats.spans.map((span) => [span.at, span.counts]));
  return (
    <>
      <Chart
        label="Signals, edits, deletions and posts over time"
        times={times}
        lines={VOLUMES.map(({ name, label, color }) => ({
          label,
          color,
          values: times.map((time) => at.get(time)?.[name] ?? 0),
        }))}
        format={count}
      />
      <dl className="figures">
        {[...VOLUMES, { name: "sightings", label: "Seen" } as const].map(
          ({ name, label }) => (
            <div key={name}>
              <dt>{label}</dt>
              <dd>{count(stats.total.counts[name])}</dd>
            </div>
          ),
        )}
      </dl>
    </>
  );
}

function Counted({ until }: { until: number | null }) {
  return (
    <p className="hint">
      {until === null ? (
        "Nothing is counted yet: the first count comes within a minute."
      ) : (
        <>
          Counted once a minute, last up to <Time at={until} />.
        </>
      )}
    </p>
  );
}

// While the next minute's answer is on its way, the last one stays.
function useStats(community: string, range: Range): Stats | undefined {
  const minute = useTimed((now) => Math.ceil(now / 60_000));
  const to = (minute + 1) * 60_000;
  const from = to - RANGES[range];
  const fresh = useQuery(api.stats.range, { community, from, to });
  const last = useRef<{ of: string; stats: Stats } | null>(null);
  const of = `${community} ${range}`;
  if (fresh !== undefined) last.current = { of, stats: fresh };
  return last.current?.of === of ? last.current.stats : undefined;
}

/** Every minute or hour from the first with anything to the last; those between too. */
function timesOf({ spans, step }: Stats): number[] {
  const [first] = spans;
  if (first === undefined) return [];
  const last = spans.at(-1)!.at;
  const times: number[] = [];
  for (let at = first.at; at <= last; at += step) times.push(at);
  return times;
}

// Ladder.tsx - a trade's prices one above the other: a picture, and the same as a table.

import type { Detail, Trade } from "../app/api";
import { Badge } from "../ui/Badge";
import { Table } from "../ui/Table";
import { ladderOf, percent, price, ratio, type Level } from "../feed/trade";
import { hitsOf, spread } from "./levels";

const HEIGHT = 300;
const WIDTH = 300;
const PAD = 18;
const APART = 24; // labels, at least

type Props = { trade: Trade; updates: Detail["updates"] };

const NAMES = { target: "Target", entry: "Entry", stop: "Stop" };

function nameOf(level: Level, all: readonly Level[]): string {
  const alone = all.filter(({ kind }) => kind === level.kind).length === 1;
  return alone ? NAMES[level.kind] : `${NAMES[level.kind]} ${level.index}`;
}

/** For the eye only: LadderTable says the same. */
export function LadderPicture({ trade, updates }: Props) {
  const { levels, entry } = ladderOf(trade);
  if (levels.length < 2) return null;
  const high = levels[0]!.value;
  const low = levels.at(-1)!.value;
  if (high === low) return null;
  const y = (value: number) =>
    PAD + ((high - value) / (high - low)) * (HEIGHT - 2 * PAD);
  const labels = spread(
    levels.map(({ value }) => y(value)),
    APART,
    [PAD, HEIGHT - PAD],
  );
  const hits = hitsOf(trade, updates);
  return (
    <svg
      className="ladder-picture"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      aria-hidden="true"
    >
      {entry !== null && <Zones levels={levels} entry={entry} y={y} />}
      {levels.map((level, i) => (
        <g
          key={`${level.kind} ${level.index}`}
          className={`level level-${level.kind}`}
          data-hit={hits.isHit(level) || undefined}
        >
          <path
            className="level-line"
            d={`M14 ${y(level.value)}H64L92 ${labels[i]}H100`}
          />
          <circle cx="36" cy={y(level.value)} r="4" />
          <text x="106" y={labels[i]! + 4} className="level-name">
            {nameOf(level, levels)}
            {hits.isHit(level) ? " ✓" : ""}
          </text>
          <text x={WIDTH - 4} y={labels[i]! + 4} className="level-price">
            {price(level.price)}
          </text>
        </g>
      ))}
    </svg>
  );
}

// What may be won and what may be lost, from the entry on.
function Zones(props: {
  levels: Level[];
  entry: number;
  y: (value: number) => number;
}) {
  const { levels, entry, y } = props;
  const stop = levels.find(({ kind }) => kind === "stop");
  const targets = levels.filter(({ kind }) => kind === "target");
  const far = targets.reduce<Level | null>(
    (best, one) =>
      best === null ||
      Math.abs(one.value - entry) > Math.abs(best.value - entry)
        ? one
        : best,
    null,
  );
  const zone = (level: Level | null | undefined, className: string) => {
    if (!level) return null;
    const [a, b] = [y(entry), y(level.value)].sort((m, n) => m - n);
    return (
      <rect
        className={className}
        x="14"
        width="44"
        y={a}
        height={Math.max(1, b! - a!)}
      />
    );
  };
  return (
    <>
      {zone(far, "zone-reward")}
      {zone(stop, "zone-risk")}
    </>
  );
}

export function LadderTable({ trade, updates }: Props) {
  const { levels } = ladderOf(trade);
  const hits = hitsOf(trade, updates);
  if (levels.length === 0)
    return <p className="hint">No prices are given in it.</p>;
  return (
    <Table
      caption="The trade’s prices, from high to low"
      columns={[
        { title: "Level", cell: (level) => nameOf(level, levels) },
        {
          title: "Price",
          align: "end",
          cell: ({ price: text }) => price(text),
        },
        {
          title: "From entry",
          align: "end",
          cell: ({ distance }) => (distance === null ? "" : percent(distance)),
        },
        {
          title: "Risk : reward",
          align: "end",
          cell: (level) => (level.ratio === null ? "" : ratio(level.ratio)),
        },
        {
          title: "State",
          cell: (level) =>
            hits.isHit(level) && (
              <Badge tone={level.kind === "stop" ? "bad" : "good"}>Hit</Badge>
            ),
        },
      ]}
      rows={levels}
      rowKey={({ kind, index }) => `${kind} ${index}`}
    />
  );
}

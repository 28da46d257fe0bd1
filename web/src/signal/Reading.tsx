// Reading.tsx - the text as it was written, with each value marked where it was read.

import type { Signal, Trade } from "../app/api";
import { tradesOf } from "../feed/trade";
import { partsOf, pieces } from "./spans";

type Field = Trade["spans"][number]["field"];

const WORDS: Record<Field, string> = {
  symbol: "Pair",
  side: "Side",
  leverage: "Leverage",
  order: "Order",
  entry: "Entry",
  target: "Target",
  stop: "Stop",
  update: "Update",
  price: "Price",
  percent: "Percent",
};

export function Reading({ signal }: { signal: Signal }) {
  const spans = tradesOf(signal).flatMap((trade) => trade.spans);
  const fields = [...new Set(spans.map(({ field }) => field))];
  return (
    <>
      <ul className="legend">
        {fields.map((field) => (
          <li key={field} className={`span span-${field}`}>
            {WORDS[field]}
          </li>
        ))}
      </ul>
      {partsOf(signal).map(({ part, label, text }) => (
        <div key={part} className="read-part">
          {label && <p className="hint">{label}</p>}
          <p className="read-text" dir="auto">
            {pieces(
              text,
              spans.filter((span) => span.part === part),
            ).map(({ text, field }, i) =>
              field === null ? (
                text
              ) : (
                <mark
                  key={i}
                  className={`span span-${field}`}
                  title={WORDS[field]}
                >
                  {text}
                </mark>
              ),
            )}
          </p>
        </div>
      ))}
    </>
  );
}

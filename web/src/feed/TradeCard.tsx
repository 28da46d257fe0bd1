// TradeCard.tsx - the trade that was read out of a signal, in one look.

import type { Trade } from "../app/api";
import { Badge } from "../ui/Badge";
import {
  entriesText,
  ladderOf,
  leverageText,
  price,
  ratio,
  updateText,
  updateTone,
} from "./trade";

export function TradeCard({ trade }: { trade: Trade }) {
  return trade.kind === "entry" ? (
    <EntryCard trade={trade} />
  ) : (
    <UpdateLine trade={trade} />
  );
}

export function Side({ trade }: { trade: Trade }) {
  if (trade.side === undefined) return null;
  return (
    <Badge tone={trade.side === "long" ? "good" : "bad"}>
      {trade.side === "long" ? "Long" : "Short"}
    </Badge>
  );
}

function EntryCard({ trade }: { trade: Trade }) {
  const { levels } = ladderOf(trade);
  const best = Math.max(...levels.map((level) => level.ratio ?? 0));
  const { targets = [], stop } = trade;
  const said = updateText(trade);
  return (
    <div className="trade-card">
      <p className="trade-head">
        <Side trade={trade} />
        <strong className="trade-symbol">{trade.symbol ?? "Trade"}</strong>
        <span className="trade-more">{leverageText(trade)}</span>
        {said && <Badge tone={updateTone(trade)}>{said}</Badge>}
        {trade.confidence < 0.6 && <Badge tone="warn">Uncertain</Badge>}
      </p>
      <dl className="trade-numbers">
        <div>
          <dt>Entry</dt>
          <dd>{entriesText(trade) ?? "–"}</dd>
        </div>
        <div>
          <dt>{targets.length === 1 ? "Target" : "Targets"}</dt>
          <dd>{targets.length > 0 ? targets.map(price).join(" · ") : "–"}</dd>
        </div>
        <div>
          <dt>Stop</dt>
          <dd>{stop === undefined ? "–" : price(stop)}</dd>
        </div>
        <div>
          <dt>
            <abbr title="Risk to reward of the furthest target">R : R</abbr>
          </dt>
          <dd>{best > 0 ? ratio(best) : "–"}</dd>
        </div>
      </dl>
    </div>
  );
}

function UpdateLine({ trade }: { trade: Trade }) {
  const said = updateText(trade);
  if (said === null) return null;
  return (
    <p className="trade-head trade-update">
      <Badge tone={updateTone(trade)}>{said}</Badge>
      {trade.symbol && <strong className="trade-symbol">{trade.symbol}</strong>}
    </p>
  );
}

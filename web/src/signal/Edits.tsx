// Edits.tsx - what its author changed in a signal, edit by edit. Loaded when there is one.

import { useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { api } from "../app/api";
import { useCommunity } from "../app/session";
import { PanelWaiting } from "../ui/Panel";
import { Time, whenElsewhere } from "../ui/time";
import { fieldChanges, wordChanges, type FieldChange } from "./changes";

type Version = FunctionReturnType<typeof api.feed.versions>[number];

export default function Edits({ messageId }: { messageId: string }) {
  const { slug } = useCommunity();
  const versions = useQuery(api.feed.versions, { community: slug, messageId });
  if (versions === undefined) return <PanelWaiting />;
  if (versions.length < 2)
    return (
      <p className="hint">
        Its words are the first that are known: it was edited before it was
        captured, or something else in it changed.
      </p>
    );
  return (
    <ol className="edits">
      {versions.slice(1).map((version, i) => (
        <li key={version.at}>
          <Edit before={versions[i]!} after={version} />
        </li>
      ))}
    </ol>
  );
}

function Edit({ before, after }: { before: Version; after: Version }) {
  const fields = fieldChanges(before.trades, after.trades);
  return (
    <>
      <h3>
        Edited <Time at={after.at} words={whenElsewhere} />
      </h3>
      {fields.length > 0 && (
        <ul className="edit-fields" aria-label="What changed in the trade">
          {fields.map((change, i) => (
            <li key={i}>
              <Field {...change} />
            </li>
          ))}
        </ul>
      )}
      <p className="edit-text" dir="auto">
        {wordChanges(before.text, after.text).map(({ text, how }, i) =>
          how === "same" ? (
            <span key={i}>{text}</span>
          ) : how === "added" ? (
            <ins key={i}>{text}</ins>
          ) : (
            <del key={i}>{text}</del>
          ),
        )}
      </p>
    </>
  );
}

function Field({ trade, name, from, to }: FieldChange) {
  return (
    <>
      <span className="edit-field">
        {trade && `${trade} `}
        {name}
      </span>{" "}
      {from === null ? (
        <span className="edit-none">none</span>
      ) : (
        <del>{from}</del>
      )}{" "}
      <span aria-hidden="true">→</span>{" "}
      {to === null ? <span className="edit-none">none</span> : <ins>{to}</ins>}
    </>
  );
}

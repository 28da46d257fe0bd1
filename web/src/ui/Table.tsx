// Table.tsx - rows of the same kind. Wider than the screen, it scrolls by itself.

import type { ReactNode } from "react";
import { PanelWaiting } from "./Panel";

export type Column<Row> = {
  title: string;
  cell: (row: Row) => ReactNode;
  align?: "end";
};

export function Table<Row>(props: {
  caption: string; // read aloud, not shown
  columns: Column<Row>[];
  rows: readonly Row[] | undefined; // undefined: not there yet
  rowKey: (row: Row) => string;
  empty?: ReactNode;
}) {
  const { caption, columns, rows, rowKey, empty = "Nothing here." } = props;
  if (rows === undefined) return <PanelWaiting />;
  if (rows.length === 0) return <p className="table-empty">{empty}</p>;
  return (
    <div
      className="table-scroll"
      role="region"
      aria-label={caption}
      tabIndex={0}
    >
      <table>
        <caption className="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, align }) => (
              <th key={title} scope="col" className={align && `align-${align}`}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map(({ title, cell, align }) => (
                <td key={title} className={align && `align-${align}`}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

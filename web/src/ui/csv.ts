// csv.ts - tables as text that spreadsheets open. Pure.

export type Cell = string | number | boolean | null | undefined;

/** RFC 4180, with a BOM, which is how spreadsheets know that it is UTF-8. */
export function csv(head: readonly string[], rows: Iterable<Cell[]>): string {
  let text = "\uFEFF" + line(head);
  for (const row of rows) text += line(row);
  return text;
}

function line(cells: readonly Cell[]): string {
  return cells.map(field).join(",") + "\r\n";
}

function field(cell: Cell): string {
  if (cell === null || cell === undefined) return "";
  if (typeof cell !== "string") return String(cell);
  // A spreadsheet would run it: what others wrote must stay what they wrote.
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

// DownloadCsv.tsx - fetches all pages of a table and hands them over as one file.

import { useState } from "react";
import { Button } from "./Button";
import { csv, type Cell } from "./csv";
import { useToast } from "./Toast";
import { wordsOf } from "./Field";

/** Gives a file to the browser to keep. */
export function saveFile(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export function DownloadCsv(props: {
  name: string; // of the file
  head: readonly string[];
  pages: () => AsyncIterable<Cell[][]>;
  label?: string;
}) {
  const { name, head, pages, label = "Download CSV" } = props;
  const [count, setCount] = useState<number | null>(null);
  const toast = useToast();

  async function download() {
    const rows: Cell[][] = [];
    setCount(0);
    try {
      for await (const page of pages()) {
        rows.push(...page);
        setCount(rows.length);
      }
      saveFile(name, "text/csv;charset=utf-8", csv(head, rows));
      toast(`${rows.length} rows downloaded`);
    } catch (error) {
      toast(wordsOf(error), "bad");
    } finally {
      setCount(null);
    }
  }

  return (
    <Button
      icon="download"
      size="small"
      busy={count !== null}
      onClick={() => void download()}
    >
      {count === null ? label : `${count} rows…`}
    </Button>
  );
}

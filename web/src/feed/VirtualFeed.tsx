// VirtualFeed.tsx - a long list of which only what is near is in the document.
//
// Rows are placed by transforms, so a row that comes in shifts no layout. While one reads
// further down, what comes above moves nothing in sight.

import { useWindowVirtualizer } from "@tanstack/react-virtual";
import {
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
  type ReactNode,
  type Ref,
} from "react";
import { estimate, type Row } from "./rows";

// Rows beyond those in sight: few at first, for what is in sight to be there soon, then so
// many that a quick scroll finds them there.
const OVERSCAN_FIRST = 2;
const OVERSCAN = 12;

export type FeedHandle = { reveal: (index: number) => void };

export function VirtualFeed(props: {
  rows: readonly Row[];
  anchored: boolean; // what is in sight stays where it is
  render: (row: Row) => ReactNode;
  ref: Ref<FeedHandle>;
}) {
  const { rows, anchored, render, ref } = props;
  const list = useRef<HTMLOListElement>(null);
  const [top, setTop] = useState(0);
  const virtual = useWindowVirtualizer<HTMLLIElement>({
    count: rows.length,
    estimateSize: (index) => estimate(rows[index]!),
    getItemKey: useCallback((index: number) => rows[index]!.key, [rows]),
    overscan: useOverscan(),
    scrollMargin: top,
    scrollPaddingStart: 130, // the head stays in sight
    scrollPaddingEnd: 70,
    anchorTo: anchored ? "end" : "start",
    // Behind another page nothing has a height; what was measured stands.
    measureElement: (element, _entry, { itemSizeCache, options }) => {
      const index = Number(element.dataset.index);
      const row = rows[index];
      return (
        element.offsetHeight ||
        (row && itemSizeCache.get(row.key)) ||
        options.estimateSize(index)
      );
    },
  });
  useLayoutEffect(() => {
    const box = list.current!.getBoundingClientRect();
    if (box.width > 0) setTop(Math.round(box.top + window.scrollY));
  });
  useImperativeHandle(ref, () => ({
    reveal: (index) => virtual.scrollToIndex(index, { align: "auto" }),
  }));
  return (
    <ol
      ref={list}
      className="feed"
      aria-label="Signals, newest first"
      style={{ height: virtual.getTotalSize() }}
    >
      {virtual.getVirtualItems().map(({ index, key, start }) => {
        const row = rows[index]!;
        return (
          <li
            key={key}
            ref={virtual.measureElement}
            data-index={index}
            className={`row row-${row.type}`}
            style={{ transform: `translateY(${start - top}px)` }}
          >
            {render(row)}
          </li>
        );
      })}
    </ol>
  );
}

function useOverscan(): number {
  const [rows, setRows] = useState(OVERSCAN_FIRST);
  useEffect(() => {
    const frame = requestAnimationFrame(() => setRows(OVERSCAN));
    return () => cancelAnimationFrame(frame);
  }, []);
  return rows;
}

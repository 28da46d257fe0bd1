// Icon.tsx - drawings of one line, 24 by 24. They say nothing that words beside them do not.

const PATHS = {
  alert: "M12 8v5m0 3.5v.01M12 3 2.5 20h19z",
  back: "M19 12H5m6-6-6 6 6 6",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 21h4",
  chart: "M4 20V4m0 16h16M8 16l4-5 3 3 5-7",
  check: "m5 12.5 4.5 4.5L19 7",
  chevron: "m9 6 6 6-6 6",
  clock: "M12 7v5l3 2m6-2a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
  close: "m6 6 12 12M18 6 6 18",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  download: "M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 20h14",
  external: "M14 4h6v6m0-6-9 9M10 5H5v14h14v-5",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 14.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  file: "M6 3h8l4 4v14H6zM14 3v5h4",
  filter: "M4 6h16M7 12h10m-7 6h4",
  hash: "M5 9h15M4 15h15M10 4 8 20m8-16-2 16",
  keyboard:
    "M3 7h18v10H3zm4 3.5v.01m3.3-.01v.01m3.4-.01v.01m3.3-.01v.01M8 14h8",
  leave: "M14 4H5v16h9m2-4 4-4-4-4m4 4H10",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.6-5.6l-1.2 1.1M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.6 5.6l1.2-1.1",
  lock: "M6 11h12v9H6zm2 0V8a4 4 0 0 1 8 0v3",
  more: "M6 12v.01M12 12v.01M18 12v.01",
  pause: "M9 5v14m6-14v14",
  people:
    "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M16 5a3.5 3.5 0 0 1 0 6.5m2 3a6.5 6.5 0 0 1 3.5 5.5",
  play: "M8 5v14l11-7z",
  plus: "M12 5v14M5 12h14",
  pulse: "M3 12h4l3-7 4 14 3-7h4",
  queue: "M4 6h16M4 12h16M4 18h10",
  receipt: "M6 3h12v18l-3-2-3 2-3-2-3 2zM9 8h6m-6 4h6",
  refresh:
    "M20 11a8 8 0 0 0-14-4.5L4 9m0-5v5h5M4 13a8 8 0 0 0 14 4.5l2-2.5m0 5v-5h-5",
  search: "m20 20-4.5-4.5M17 10.5a6.5 6.5 0 1 1-13 0 6.5 6.5 0 0 1 13 0z",
  server: "M4 4h16v6H4zm0 10h16v6H4zM7.5 7v.01M7.5 17v.01",
  share: "M12 15V4m-4 4 4-4 4 4M6 12H5v8h14v-8h-1",
  sliders: "M4 7h9m4 0h3M4 17h3m4 0h9M15 4.5v5M9 14.5v5",
  trash: "M4 7h16M9 7V4h6v3m3 0-1 13H7L6 7m4 4v5m4-5v5",
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zm-8 9a8 8 0 0 1 16 0",
  wand: "m5 19 9-9m2-6v3m0 4v3m4-5h-3m-4 0h-1m6-4 1.5-1.5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

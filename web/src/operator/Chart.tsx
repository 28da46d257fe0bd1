// Chart.tsx - lines over time, drawn on a canvas. The figures are in a table beside it.

import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export type Line = {
  label: string;
  color: "accent" | "info" | "warn" | "bad" | "good";
  values: (number | null)[];
};

const HEIGHT = 194;

export function Chart(props: {
  label: string; // read aloud
  times: number[]; // ms
  lines: Line[];
  format: (value: number) => string;
  logarithmic?: boolean;
}) {
  const { label, times, lines, format, logarithmic } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const theme = useScheme();
  const shape = `${lines.map((line) => line.label).join()} ${logarithmic} ${theme}`;

  useEffect(() => {
    const element = box.current!;
    const made = new uPlot(
      optionsOf(element, lines, format, logarithmic),
      dataOf(times, lines),
      element,
    );
    plot.current = made;
    const resized = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
    // Data that changes is set below, without drawing all anew.
  }, [shape]);

  useEffect(() => plot.current?.setData(dataOf(times, lines)));

  return (
    <figure className="chart">
      <figcaption>
        {lines.map((line) => (
          <span key={line.label} className="chart-key" data-color={line.color}>
            {line.label}
          </span>
        ))}
      </figcaption>
      <div ref={box} className="chart-box" role="img" aria-label={label} />
    </figure>
  );
}

function dataOf(times: number[], lines: Line[]): uPlot.AlignedData {
  return [times.map((at) => at / 1000), ...lines.map((line) => line.values)];
}

function optionsOf(
  element: HTMLElement,
  lines: Line[],
  format: (value: number) => string,
  logarithmic = false,
): uPlot.Options {
  const color = (name: string) => colorOf(element, `--${name}`);
  const axis = {
    stroke: color("text-faint"),
    grid: { stroke: color("line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
  };
  return {
    width: element.clientWidth || 300,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: {
      y: logarithmic
        ? { distr: 3, range: (_u, min, max) => [Math.max(1, min), max * 1.5] }
        : { range: (_u, _min, max) => [0, Math.max(1, max * 1.1)] },
    },
    axes: [
      { ...axis, size: 42, grid: { show: false } },
      {
        ...axis,
        size: 58,
        values: (_u, ticks) =>
          ticks.map((tick) => (tick === null ? "" : format(tick))),
      },
    ],
    series: [
      {},
      ...lines.map((line): uPlot.Series => ({
        label: line.label,
        stroke: color(line.color),
        width: 1.5,
        points: { size: 4 },
        spanGaps: true, // minutes without any
      })),
    ],
  };
}

// A canvas knows no variables: the browser is asked what they come to.
function colorOf(element: HTMLElement, variable: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${variable})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Changes with the colours of the page. */
function useScheme(): string {
  const [scheme, setScheme] = useState(schemeNow);
  useEffect(() => {
    const look = () => setScheme(schemeNow());
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", look);
    const themed = new MutationObserver(look);
    themed.observe(document.documentElement, {
      attributes: true,
      attributeFilter: ["data-theme"],
    });
    return () => {
      dark.removeEventListener("change", look);
      themed.disconnect();
    };
  }, []);
  return scheme;
}

function schemeNow(): string {
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  return document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
}

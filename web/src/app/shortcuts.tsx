// shortcuts.tsx - single keys and pairs of them ("g f"), and the list of all there are.
//
// Keys that are typed into a field are its own, and so are those of an open dialog. Who types
// by voice or by mistake can turn them off; the choice stays in this browser.

import { useEffect, useRef, useState } from "react";
import { Dialog } from "../ui/Dialog";
import { Checkbox } from "../ui/Field";

export type Shortcut = {
  keys: string; // "j", "?", "g f"
  label: string;
  run: () => void;
};

const PAIR_MS = 1200;
const OFF = "shortcuts-off";
const groups = new Map<string, readonly Shortcut[]>();
let first: { key: string; at: number } | null = null;

/** Has these keys work while the caller is shown. */
export function useShortcuts(
  group: string,
  shortcuts: readonly Shortcut[],
  active = true,
): void {
  const newest = useRef(shortcuts);
  useEffect(() => {
    newest.current = shortcuts;
  });
  useEffect(() => {
    if (!active) return;
    groups.set(
      group,
      newest.current.map((one, i) => ({
        ...one,
        run: () => newest.current[i]?.run(),
      })),
    );
    return () => void groups.delete(group);
  }, [group, active]);
}

function pressed(event: KeyboardEvent): void {
  const { key, ctrlKey, metaKey, altKey, isComposing } = event;
  if (ctrlKey || metaKey || altKey || isComposing || event.defaultPrevented)
    return;
  if (isOff() || document.querySelector("dialog[open]")) return;
  const target = event.target as HTMLElement;
  if (target.closest("input, select, textarea, [contenteditable]")) return;
  const recent = first !== null && event.timeStamp - first.at < PAIR_MS;
  const pair = recent ? `${first!.key} ${key}` : null;
  first = null;
  const all = [...groups.values()].flat();
  const found =
    all.find(({ keys }) => keys === pair) ??
    all.find(({ keys }) => keys === key);
  if (found !== undefined) {
    event.preventDefault();
    found.run();
  } else if (all.some(({ keys }) => keys.startsWith(`${key} `)))
    first = { key, at: event.timeStamp };
}

function isOff(): boolean {
  return localStorage.getItem(OFF) !== null;
}

/** Listens, and shows the list when "?" is pressed or `open` is. */
export function Shortcuts(props: {
  open: boolean;
  setOpen(open: boolean): void;
}) {
  const { open, setOpen } = props;
  const [off, setOff] = useState(isOff);
  useEffect(() => {
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
  useShortcuts("Everywhere", [
    { keys: "?", label: "Show this list", run: () => setOpen(true) },
  ]);
  if (!open) return null;
  return (
    <Dialog title="Keyboard" onClose={() => setOpen(false)}>
      {[...groups].map(([name, shortcuts]) => (
        <section key={name} className="shortcuts">
          <h3>{name}</h3>
          <dl>
            {shortcuts.map(({ keys, label }) => (
              <div key={keys}>
                <dt>
                  {keys.split(" ").map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dt>
                <dd>{label}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
      <Checkbox
        label="Use these keys"
        checked={!off}
        onChange={(on) => {
          if (on) localStorage.removeItem(OFF);
          else localStorage.setItem(OFF, "1");
          setOff(!on);
        }}
      />
    </Dialog>
  );
}

// Button.tsx - one look for what can be pressed. While `busy` it says so and does nothing.

import type { ButtonHTMLAttributes } from "react";
import { Icon, type IconName } from "./Icon";

export function Button(
  props: ButtonHTMLAttributes<HTMLButtonElement> & {
    kind?: "primary" | "danger" | "quiet";
    size?: "small";
    icon?: IconName;
    busy?: boolean;
  },
) {
  const { kind, size, icon, busy, onClick, children, className, ...rest } =
    props;
  const names = ["button", kind, size, className];
  if (icon && children === undefined) names.push("icon-only");
  return (
    <button
      type="button"
      {...rest}
      className={names.filter(Boolean).join(" ")}
      // Not `disabled`: the focus would be lost.
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

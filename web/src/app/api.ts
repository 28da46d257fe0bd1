// api.ts - the functions this page calls, typed by the schema itself.

import type { FunctionReturnType } from "convex/server";
import { ConvexError } from "convex/values";
import { api } from "../../../schema/convex/_generated/api";

export { api };

export type Signal = FunctionReturnType<typeof api.feed.list>["page"][number];
export type Embed = Signal["embeds"][number];
export type Attachment = Signal["attachments"][number];
export type Trade = NonNullable<Signal["trade"]>;
export type Detail = NonNullable<FunctionReturnType<typeof api.feed.get>>;
export type Me = FunctionReturnType<typeof api.feed.mine>;
export type Standing = Me["communities"][number];
export type Channel = FunctionReturnType<typeof api.feed.channels>[number];

/** The code and words of a refusal, or null for any other error. */
export function refusalOf(
  error: unknown,
): { code: string; message: string } | null {
  if (!(error instanceof ConvexError)) return null;
  const data = error.data as { code?: unknown; message?: unknown } | null;
  if (typeof data?.code !== "string" || typeof data.message !== "string")
    return null;
  return { code: data.code, message: data.message };
}

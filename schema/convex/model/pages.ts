// pages.ts - how much a caller may ask for at once.

import type { PaginationOptions } from "convex/server";

export const MAX_PAGE = 100;

export function bounded(
  options: PaginationOptions,
  most = MAX_PAGE,
): PaginationOptions {
  const asked = Math.floor(options.numItems);
  return { ...options, numItems: Math.min(Math.max(1, asked || 1), most) };
}

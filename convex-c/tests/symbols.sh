#!/bin/sh
# symbols.sh LIBRARY HEADER...: checks that a shared library exports the functions that its headers
# declare with CONVEX_API, and nothing else, but for cvx_ names of a version that says PRIVATE.
set -eu
library=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A declaration may span lines: comments and preprocessor lines go, the rest becomes one line each.
cat "$@" | sed 's://.*::' | tr '\n' ' ' | sed 's:/\*:\n&:g; s:\*/:&\n:g' | grep -v '^/\*' | tr '\n' ' ' |
  grep -o 'CONVEX_API[^;(]*[ *]convex_[a-z0-9_]*(' | sed 's/.*[ *]//; s/($//' | sort -u >"$work/declared"
nm -D --defined-only "$library" | awk '$2 != "A" && $3 !~ /^cvx_.*@@CONVEX_PRIVATE/ { sub(/@.*/, "", $3); print $3 }' | sort -u >"$work/exported"
[ -s "$work/declared" ]
diff "$work/declared" "$work/exported" >"$work/diff" ||
  { echo "$library: < declared and not exported, > exported and not declared"; cat "$work/diff"; exit 1; }

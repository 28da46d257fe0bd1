#!/bin/sh
# guides.sh CONVEXGEN - compiles what the guides show: all C blocks of a page are one file. Every
# link from one page to another must lead somewhere.
set -eu
convexgen=$1
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$convexgen" --prefix api --out "$work" docs/typed-bindings.json
compiled=0
for page in docs/*.md README.md ../README.md; do
  name=$(basename "$page" .md)
  awk -v page="$page" '/^```c$/ { print "#line " NR + 1 " \"" page "\""; on = 1; next } /^```$/ { on = 0 } on' "$page" \
    >"$work/$name.c"
  if [ -s "$work/$name.c" ]; then
    cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-function -Wno-unused-parameter \
      -Wno-missing-field-initializers -fsyntax-only -Iinclude -I"$work" "$work/$name.c"
    compiled=$((compiled + 1))
  fi
  for link in $(grep -o '](\([a-z./-]*\.md\))' "$page" | sed 's/](//; s/)//'); do
    [ -e "$(dirname "$page")/$link" ] || { echo "$page: no $link"; exit 1; }
  done
done
echo "$compiled pages with code"
[ "$compiled" -ge 8 ]

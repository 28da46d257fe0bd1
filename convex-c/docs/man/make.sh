#!/bin/sh
# make.sh VERSION CONVEXC CONVEXGEN OUTPUT - writes the manual pages, compressed.
set -eu
here=$(dirname "$(readlink -f "$0")")
version=$1 convexc=$2 convexgen=$3 output=$4
mkdir -p "$output/help"
cd "$output"

"$convexc" --help >help/convexc
# The commands are those that it lists: one or two words, then two spaces or more.
sed -n '/^COMMANDS/,/^$/s/^  \([a-z]\+\( [a-z]\+\)\?\)  .*/\1/p' help/convexc >help/commands
set -- help/convexc
while read -r command; do
  file=help/convexc-$(echo "$command" | tr ' ' -)
  # shellcheck disable=SC2086 # one or two words
  "$convexc" $command --help >"$file" </dev/null
  set -- "$@" "$file"
done <help/commands
"$convexgen" --help >help/convexgen

awk -v name=convexc -v version="$version" -f "$here/help2man.awk" "$@" >convexc.1
awk -v name=convexgen -v version="$version" -f "$here/help2man.awk" help/convexgen >convexgen.1
sed "s/@VERSION@/$version/" "$here/libconvex.3" >libconvex.3
for page in convexc.1 convexgen.1 libconvex.3; do gzip -9nc "$page" >"$page.gz"; done

#!/bin/sh
# reference.sh OUTPUT - writes the API reference of the headers into OUTPUT/html. Fails when doxygen
# complains, or when something public has no comment.
set -eu
cd "$(dirname "$0")/.."
mkdir -p "$1"
{ cat docs/Doxyfile; echo "OUTPUT_DIRECTORY = $1"; } | doxygen - >"$1/log" 2>&1 || { cat "$1/log"; exit 1; }
if [ -s "$1/log" ]; then cat "$1/log"; exit 1; fi

# Again, only to ask what is undocumented. Members and literals may speak for themselves.
{ cat docs/Doxyfile; echo "OUTPUT_DIRECTORY = $1"; } |
  { cat; echo "EXTRACT_ALL = NO"; echo "GENERATE_HTML = NO"; echo "GENERATE_XML = YES"; echo "XML_OUTPUT = asked"; } |
  doxygen - 2>&1 |
  awk '/not documented/ && !/\((variable|enumvalue)\)|_INIT \(macro|\(enumeration\) of file.*@/' >"$1/missing"
rm -rf "$1/asked"
if [ -s "$1/missing" ]; then cat "$1/missing"; exit 1; fi

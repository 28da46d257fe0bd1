#!/bin/sh
# trade_parse.sh COLLECTOR - `collector parse` as an operator uses it: no setting, text in, JSON out.
set -u
collector=$1
failed=0

expect() { # WHAT WANTED GOT
    [ "$2" = "$3" ] && return
    printf '%s\n  wanted: %s\n  got:    %s\n' "$1" "$2" "$3"
    failed=1
}

expect 'a trade is printed as the backend gets it' \
    '{"base":"SOL","confidence":0.88,"entries":{"type":"list","values":["148.2"]},"kind":"entry","side":"long","spans":[{"end":3,"field":"symbol","part":"content","start":0},{"end":8,"field":"side","part":"content","start":4},{"end":14,"field":"entry","part":"content","start":9},{"end":30,"field":"target","part":"content","start":27},{"end":23,"field":"stop","part":"content","start":18}],"stop":"146.9","symbol":"SOL","targets":["152"]}' \
    "$(printf 'SOL long 148.2 sl 146.9 tp 152' | env -i "$collector" parse)"
expect 'several are a list' 2 \
    "$(printf 'BTC long 64k sl 63k tp 66k\nETH short 3400 sl 3480 tp 3300' |
        env -i "$collector" parse | grep -o '"kind":"entry"' | grep -c .)"
expect 'talk is null' null "$(echo 'good morning' | env -i "$collector" parse)"
expect 'nothing is null' null "$(env -i "$collector" parse </dev/null)"
expect 'it is in --help' 1 "$("$collector" --help | grep -c 'collector parse$')"
env -i "$collector" parse now </dev/null >/dev/null 2>&1
expect 'an operand too many is bad usage' 2 $?
echo 'good morning' | env -i "$collector" parse >&- 2>/dev/null
expect 'an answer that cannot be written is a failure' 1 $?
exit $failed

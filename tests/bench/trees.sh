#!/usr/bin/env bash
# What a directory of small files costs: put over six peers at 4+2 on this machine, and got back.
#
#   tests/bench/trees.sh [FILES [BYTES]]      STORGO names the program [target/release/storgo]
#
# Prints wall time, CPU seconds of the client and of the peers, and bytes on disk per byte of the files. The bytes are
# random, so nothing is won by compressing them. Fails if what comes back differs.
set -euo pipefail

files=${1:-10000}
bytes=${2:-1024}
storgo=$(realpath "${STORGO:-target/release/storgo}")
work=$(mktemp -d)
peers=()
cleanup() {
    for peer in "${peers[@]}"; do kill "$peer" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap cleanup EXIT

mkdir -p "$work/source"
head -c $((files * bytes)) /dev/urandom | split --bytes "$bytes" --suffix-length 6 --numeric-suffixes - "$work/source/file-"

export STORGO_HOME=$work/home
network=bench-$$
via=
for number in 1 2 3 4 5 6; do
    mkfifo "$work/ready-$number"
    "$storgo" node run --json --data "$work/n$number" --network "$network" --no-mdns --listen /ip4/127.0.0.1/tcp/0 \
        ${via:+--bootstrap "$via"} >"$work/ready-$number" 2>"$work/log-$number" &
    peers+=($!)
    # The fifo stays open, so that the node can go on writing to it.
    exec {ready}<>"$work/ready-$number"
    read -r line <&"$ready"
    [ -n "$via" ] || via=$(sed 's/.*"addresses":\["\([^"]*\)".*/\1/' <<<"$line")
done

on_disk() { find "$work"/n* -type f -printf "%b\n" | awk "{s += \$1} END {print s * 512}"; }
ticks() { for peer in "${peers[@]}"; do awk '{print $14 + $15}' "/proc/$peer/stat"; done | awk '{s += $1} END {print s}'; }
hertz=$(getconf CLK_TCK)

timed() { # NAME COMMAND…
    local name=$1 before after
    shift
    before=$(ticks)
    TIMEFORMAT="$name: %R s, client %U s user and %S s system"
    time "$@"
    after=$(ticks)
    awk -v name="$name" -v t=$((after - before)) -v hz="$hertz" 'BEGIN {printf "%s: peers %.2f CPU s\n", name, t / hz}'
}

put() { "$storgo" put "$work/source" --redundancy erasure:4+2 --via "$via" >"$work/ticket"; }
get() { "$storgo" get "$(cat "$work/ticket")" -o "$work/back" --via "$via"; }
list() { "$storgo" ls "$(cat "$work/ticket")" --via "$via" >"$work/list"; }

before=$(on_disk)
timed put put
after=$(on_disk)
awk -v d=$((after - before)) -v b=$((files * bytes)) 'BEGIN {printf "on disk: %.2f bytes per byte\n", d / b}'
timed get get
timed ls list
[ "$(wc -l <"$work/list")" -eq "$files" ]
diff --recursive "$work/source" "$work/back"
echo "$files files of $bytes bytes came back as they were"

#!/usr/bin/env bash
# Fails if the codec takes a quarter more CPU time a byte than the baseline of a machine like this one says. What is
# compared are parts of BLAKE3's speed in the same seconds, so neighbours matter little; who is too slow is measured once
# more before it is believed. Kinds of machines differ in more than BLAKE3 (wider vectors make it twice as fast, and zstd
# hardly), so each has its baseline, codec-N.json with N the GB a second of its BLAKE3; without one nothing is compared.
#
#   tests/bench/gate.sh            compares
#   tests/bench/gate.sh --renew    measures, and keeps the result as the baseline of this kind of machine
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

bench=(cargo run --release --quiet -- bench codec)

# The baseline whose BLAKE3 is nearest to that of a short run now, if it is within a third; and that speed.
like_this_one() {
    "${bench[@]}" --size 16MiB --json | python3 -c '
import glob, json, sys
speed = lambda report: report["calibration"]["blake3"]
now = speed(json.load(sys.stdin))
apart = lambda path: max(speed(json.load(open(path))) / now, now / speed(json.load(open(path))))
near = min(glob.glob("tests/bench/codec-*.json"), key=apart, default=None)
print(f"{now:.0f}", near if near and apart(near) <= 4 / 3 else "")'
}

read -r speed baseline < <(like_this_one)
case "${1:-}" in
--renew)
    baseline="${baseline:-tests/bench/codec-$speed.json}"
    "${bench[@]}" --size 64MiB --json >"$baseline.new" && mv "$baseline.new" "$baseline"
    ;;
"")
    if [ -z "$baseline" ]; then
        echo "skipped: there is no baseline of a machine like this one, where BLAKE3 does $speed GB a second (tests/bench/gate.sh --renew)"
        exit 0
    fi
    echo "$baseline"
    bench+=(--size 64MiB --baseline "$baseline")
    "${bench[@]}" || { echo "once more:" && "${bench[@]}"; }
    ;;
*) echo "usage: tests/bench/gate.sh [--renew]" >&2 && exit 2 ;;
esac

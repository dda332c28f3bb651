#!/usr/bin/env bash
# Fails if the codec takes a quarter more CPU time a byte than tests/bench/codec.json says. What is compared are parts of
# BLAKE3's speed in the same seconds, so neither the machine nor its neighbours matter much; who is too slow is measured
# once more before it is believed.
#
#   tests/bench/gate.sh            compares
#   tests/bench/gate.sh --renew    measures, and keeps the result as the new baseline
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

baseline=tests/bench/codec.json
bench=(cargo run --release --quiet -- bench codec --size 64MiB)

case "${1:-}" in
--renew) "${bench[@]}" --json >"$baseline.new" && mv "$baseline.new" "$baseline" ;;
"") "${bench[@]}" --baseline "$baseline" || { echo "once more:" && "${bench[@]}" --baseline "$baseline"; } ;;
*) echo "usage: tests/bench/gate.sh [--renew]" >&2 && exit 2 ;;
esac

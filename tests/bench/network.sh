#!/usr/bin/env bash
# What storgo costs on six loopback peers: a big file put, got, and got with two peers dead; 4 KiB files 16 at a time;
# a node that idles. CPU of all processes, medians of three. Prints Markdown tables, then one line of JSON.
#
#   tests/bench/network.sh [--mib 1024] [--count 500] [--repetitions 3] [--only big|small|idle]
#
# STORGO, SMALL_FILES      the programs; built from this tree when not given
# STORGO_BENCH_PEERS, WORK a directory of scripts that measure Tahoe-LAFS and sendme, and their scratch folder: then
#                          these run in the same minutes, and stand beside
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ -z "${STORGO:-}" ] || [ -z "${SMALL_FILES:-}" ]; then
    cargo build --release -p storgo -p storgo-examples >&2
fi
export PYTHONDONTWRITEBYTECODE=1
exec python3 tests/bench/network.py \
    --storgo "${STORGO:-target/release/storgo}" --small-files "${SMALL_FILES:-target/release/small_files}" "$@"

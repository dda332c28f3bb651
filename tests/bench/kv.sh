#!/usr/bin/env bash
# What metadata groups do in a second, and what it costs: three members, 256-byte values, every write synced by two of three before
# it counts; idle members before that; and etcd with three members on the same disk, where it is installed. Prints a Markdown
# table, then one line of JSON.
#
#   tests/bench/kv.sh [--seconds 10] [--groups 16] [--repetitions 3]
#
# STORGO   the program; built from this tree when not given
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ -z "${STORGO:-}" ]; then
    cargo build --release -p storgo >&2
fi
export PYTHONDONTWRITEBYTECODE=1
exec python3 tests/bench/kv.py --storgo "${STORGO:-target/release/storgo}" "$@"

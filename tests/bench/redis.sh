#!/usr/bin/env bash
# What the Redis door of three members does in a second, and what it costs, beside redis-server and etcd where they are installed;
# needs redis-benchmark. Prints a Markdown table, then one line of JSON.
#
#   tests/bench/redis.sh [--groups 16] [--repetitions 3]
#
# STORGO   the program; built from this tree when not given
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ -z "${STORGO:-}" ]; then
    cargo build --release -p storgo >&2
fi
export PYTHONDONTWRITEBYTECODE=1
exec python3 tests/bench/redis.py --storgo "${STORGO:-target/release/storgo}" "$@"

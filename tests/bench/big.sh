#!/usr/bin/env bash
# A file of 8 GiB put and got over six loopback peers at 4+2, with bounds on what each process holds in memory, and on
# what a 64 KiB range of it costs on the wire. Ends with 1 if one is broken. Needs 30 GB in TMPDIR and some minutes.
#
#   tests/bench/big.sh [--mib 8192]         STORGO: the program; built from this tree when not given
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

[ -n "${STORGO:-}" ] || cargo build --release -p storgo >&2
export PYTHONDONTWRITEBYTECODE=1
exec python3 tests/bench/big.py --storgo "${STORGO:-target/release/storgo}" "$@"

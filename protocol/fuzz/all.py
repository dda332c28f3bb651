#!/usr/bin/env python3
"""Fuzzes every decoder until each has had its CPU seconds, the least fuzzed first.

    protocol/fuzz/all.py [--seconds 600] [--workers 1] [--but PREFIX...] [--again TARGET...]

What was done is kept in tally.tsv, so that it goes on another day; SIGINT or SIGTERM ends it after counting what was done
until then. --again forgets what was done of a decoder that has changed. Inputs that found new paths are kept in target/corpus. What makes a decoder panic, hang
or take too much memory is kept in artifacts/ and said, and ends the run with 1. It yields to whatever else runs here.
Needs nightly and cargo-fuzz.
"""

import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
TALLY = HERE / "tally.tsv"
HEADS = ("target", "cpu_seconds", "runs", "commit")
MEMORY_MB_MAX = 512
INPUT_SECONDS_MAX = 10
SLICE_SECONDS = 60


def targets():
    return sorted(path.stem for path in (HERE / "fuzz_targets").glob("*.rs"))


def read_tally():
    tally = {}
    if TALLY.exists():
        for line in TALLY.read_text().splitlines()[1:]:
            target, seconds, runs, commit = line.split("\t")
            tally[target] = [int(seconds), int(runs), commit]
    return tally


def write_tally(tally):
    rows = ["\t".join(HEADS)] + ["\t".join(map(str, [target, *tally[target]])) for target in sorted(tally)]
    new = TALLY.with_suffix(".new")
    new.write_text("\n".join(rows) + "\n")
    new.replace(TALLY)


def build():
    """Builds all targets; the directory with the programs."""
    subprocess.run(["cargo", "+nightly", "fuzz", "build", "--fuzz-dir", str(HERE)], check=True, cwd=HERE.parent)
    return next((HERE / "target").glob("*-linux-gnu/release"))


def fuzz(program, target, running):
    """Fuzzes for a slice: CPU seconds, runs, and what it printed if it found something."""
    found, kept = HERE / "artifacts" / target, HERE / "target" / "corpus" / target
    for folder in (found, kept):
        folder.mkdir(parents=True, exist_ok=True)
    flags = [
        f"-max_total_time={SLICE_SECONDS}",
        f"-rss_limit_mb={MEMORY_MB_MAX}",
        f"-timeout={INPUT_SECONDS_MAX}",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
    ]
    corpora = [str(kept), str(HERE / "corpus" / target)]
    child = subprocess.Popen(
        [str(program / target), *flags, *corpora],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # so that an interrupt at the terminal is this program's to hand on
    )
    os.sched_setscheduler(child.pid, os.SCHED_IDLE, os.sched_param(0))
    running[target] = child
    printed = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    del running[target]
    runs = re.search(r"number_of_executed_units:\s*(\d+)", printed)
    return used.ru_utime + used.ru_stime, int(runs.group(1)) if runs else 0, None if status == 0 else printed


def main():
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--seconds", type=int, default=600, help="CPU seconds for each target")
    parse.add_argument("--workers", type=int, default=1, help="how many are fuzzed at the same time")
    parse.add_argument("--but", nargs="*", default=[], metavar="PREFIX", help="leaves out what begins so")
    parse.add_argument("--again", nargs="*", default=[], metavar="TARGET", help="begins anew with these")
    args = parse.parse_args()
    tally = {target: row for target, row in read_tally().items() if target in targets() and target not in args.again}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE)
    commit, program = commit.stdout.strip(), build()
    wanted = [target for target in targets() if not target.startswith(tuple(args.but))]
    lock, busy, running, stopping, findings = threading.Lock(), set(), {}, threading.Event(), []

    def stop(*_):
        stopping.set()
        for child in list(running.values()):
            child.send_signal(signal.SIGUSR1)  # libFuzzer ends with what it has done

    def work():
        while not findings and not stopping.is_set():
            with lock:
                open_ones = [t for t in wanted if t not in busy and tally.get(t, [0])[0] < args.seconds]
                if not open_ones:
                    return
                target = min(open_ones, key=lambda t: tally.get(t, [0])[0])
                busy.add(target)
            seconds, runs, finding = fuzz(program, target, running)
            with lock:
                busy.discard(target)
                row = tally.setdefault(target, [0, 0, commit])
                row[0], row[1] = row[0] + round(seconds), row[1] + runs
                write_tally(tally)
                if finding is not None:
                    findings.append(f"{target}:\n{finding[-4000:]}")
                done = sum(min(args.seconds, tally.get(t, [0])[0]) for t in wanted)
                print(f"{target}: {row[0]} s, {row[1]} runs; in all {done} of {args.seconds * len(wanted)} s", flush=True)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    workers = [threading.Thread(target=work) for _ in range(args.workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print("\n".join(findings))
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()

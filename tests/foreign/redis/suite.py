#!/usr/bin/env python3
"""Redis's own test suite at the door of a member: per unit, how many tests of those that Redis passes the door passes too.

    suite.py --redis CHECKOUT --storgo PROGRAM [UNIT...]

CHECKOUT is a directory with the sources of Redis 7.0; it is only read. Its suite runs in its mode for servers that run
already, without what such a server is not to be told (DEBUG, SAVE, replicas), and with the tests that a cluster can pass.
The same tests run against redis-server first, if it is installed: what that does not pass says nothing of the door. Each
failed test is told with the command that was missing, or else with the difference. Needs tclsh, and for some tests redis-cli
and redis-benchmark.
"""

import argparse
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# Networks of members are started as for benchmarks; nothing is to be written there.
sys.path.insert(0, os.path.join(HERE, "../../bench"))
sys.dont_write_bytecode = True

import doors
import lab

UNITS = (
    "protocol quit type/string type/incr expire keyspace scan bitops bitfield multi info info-command "
    "type/hash type/list type/list-2 type/list-3 type/set type/zset pubsub introspection slowlog dump"
).split()
GROUPS = 16
TAGS = "-needs:debug -needs:repl -needs:save -needs:config-maxmemory -slow"
MODE = ["--singledb", "--cluster-mode", "--durable", "--ignore-encoding", "--ignore-digest", "--dont-clean", "--tags", TAGS]
TOOLS = ["redis-server", "redis-cli", "redis-benchmark"]
# How long a test may say nothing before it counts as hung, and how often a unit goes on behind one that hung.
SILENT_SECONDS_MAX = 600
HUNG_MAX = 5
SHOWN = 160

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
OK = re.compile(r"\[ok\]: (.*) \(\d+ ms\)")
FAILED = re.compile(r"\[err\]: (.*) in \S*tests/\S+\.tcl")
HUNG = re.compile(r"=> \(IN PROGRESS\) (.*)")
OUTSIDE = re.compile(r"\[(?:outside|exception|err)\]: (.*)")
MISSING = re.compile(r"ERR unknown command '([^']*)'")
MISSING_PART = re.compile(r"ERR unknown subcommand '([^']*)'\. Try (\w+)")
# Where Tcl begins to say from where it came.
TRACE = re.compile(r"\n    (?:while executing|invoked from within)")


class Run:
    """What a unit said."""

    def __init__(self):
        self.passed, self.failed, self.outside = collections.Counter(), {}, []
        self.order = []

    def read(self, text):
        """Takes what a run printed, and says which test hung."""
        hung, entries = None, []
        for line in COLOUR.sub("", text).split("\n"):
            if line.startswith("***") or "The End" in line:
                break  # the same again
            if found := HUNG.search(line):
                hung = found[1]
            elif re.match(r"\[[\w/ ]+\]: ", line) or not entries:
                entries.append([line])
            else:
                entries[-1].append(line)
        for first, *more in entries:
            if found := OK.fullmatch(first):
                self.passed[found[1]] += 1
                self.order.append(found[1])
            elif found := FAILED.match(first):
                self.failed.setdefault(found[1], "\n".join(more))
                self.order.append(found[1])
            elif found := OUTSIDE.match(first):
                self.outside.append("\n".join([found[1], *more]))
        if hung:
            self.failed.setdefault(hung, f"no word for {SILENT_SECONDS_MAX} s")
        return hung


def why(said):
    """What a failed test said, in one line: the command that was missing, or the difference."""
    if found := MISSING.search(said):
        return f"there is no {found[1].upper()}"
    if found := MISSING_PART.search(said):
        return f"there is no {found[2].upper()} {found[1].upper()}"
    lines = TRACE.split(said)[0].strip().split("\n")
    # The first line lacks letters if it is none of an assertion; then the second has them all.
    line = lines[0] if len(lines) == 1 or lines[0].startswith("Expected") else lines[1]
    return line.replace("\r", " ")[:SHOWN]


def prepared(checkout, directory):
    """A copy of the suite whose units are told what `suite.tcl` says."""
    tests = os.path.join(directory, "tests")
    shutil.copytree(os.path.join(checkout, "tests"), tests, ignore=shutil.ignore_patterns("tmp"))
    os.makedirs(os.path.join(tests, "tmp"))
    os.makedirs(os.path.join(directory, "src"))
    for tool in TOOLS:
        built = os.path.join(os.path.abspath(checkout), "src", tool)
        path = built if os.access(built, os.X_OK) else shutil.which(tool)
        if path:
            os.symlink(path, os.path.join(directory, "src", tool))
    with open(os.path.join(HERE, "suite.tcl"), encoding="utf-8") as told:
        told = told.read()
    for unit in UNITS:
        path = os.path.join(tests, "unit", f"{unit}.tcl")
        with open(path, encoding="utf-8", errors="surrogateescape") as unit_file:
            text = unit_file.read()
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as unit_file:
            unit_file.write(told + text)


def run(directory, unit, port):
    """Runs a unit against a port, again behind each test that hangs."""
    outcome, skipped = Run(), os.path.join(directory, "skipped")
    command = ["tclsh", "tests/test_helper.tcl", "--host", "127.0.0.1", "--port", str(port), "--single", f"unit/{unit}"]
    command += ["--timeout", str(SILENT_SECONDS_MAX), "--skipfile", skipped, *MODE]
    for _ in range(1 + HUNG_MAX):
        with open(skipped, "w", encoding="utf-8") as names:
            names.write("\n".join([*outcome.passed, *outcome.failed]))
        suite = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            text = suite.communicate()[0].decode(errors="replace")
        finally:
            # Also the process that ran the tests.
            try:
                os.killpg(suite.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if outcome.read(text) is None:
            break
    return outcome


def compare(unit, door, reference):
    """The report of a unit."""
    wanted = reference.order if reference else door.order
    wanted = [name for name in dict.fromkeys(wanted) if not reference or name not in reference.failed]
    failed = {name: why(door.failed[name]) for name in wanted if name in door.failed}
    passed = [name for name in wanted if name in door.passed and name not in failed]
    not_run = [name for name in wanted if name not in door.passed and name not in door.failed]
    outside = collections.Counter(why(said) for said in door.outside)
    return {"unit": unit, "passed": len(passed), "failed": failed, "not_run": not_run, "outside": dict(outside)}


def show(report):
    """What failed in a unit."""
    if report["failed"] or report["not_run"] or report["outside"]:
        print(f"\n{report['unit']}")
    by_reason = {}
    for name, reason in report["failed"].items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        print(f"  {reason}")
        for name in names:
            print(f"    {name}")
    for name in report["not_run"]:
        print(f"  not run: {name}")
    for reason, times in report["outside"].items():
        print(f"  between tests, {times} times: {reason}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redis", required=True, help="a directory with the sources of Redis 7.0")
    parser.add_argument("--storgo", required=True, help="the program")
    parser.add_argument("--json", help="a file for the whole report")
    parser.add_argument("units", nargs="*", default=UNITS, metavar="UNIT", help=f"of {' '.join(UNITS)}")
    arguments = parser.parse_args()
    lab.clean_up_when_told_to_stop()
    unknown = set(arguments.units) - set(UNITS)
    if unknown:
        raise lab.Failed(f"no unit is called {' '.join(unknown)}")
    if not shutil.which("tclsh"):
        raise lab.Failed("tclsh is not installed")
    with tempfile.TemporaryDirectory(prefix="storgo-redis-suite-") as directory:
        prepared(arguments.redis, directory)
        references, reports = {}, []
        server = os.path.join(directory, "src", "redis-server")
        if os.path.lexists(server):
            with doors.Redis(server, directory) as redis:
                references = {unit: run(directory, unit, redis.number) for unit in arguments.units}
        with doors.Doors(os.path.abspath(arguments.storgo), GROUPS) as members:
            members.wait_until_grown()
            port = members.port()
            for unit in arguments.units:
                lab.say(unit)
                reports.append(compare(unit, run(directory, unit, port), references.get(unit)))
    print("| unit | passed | failed | not run |")
    print("|---|---|---|---|")
    for report in reports:
        print(f"| {report['unit']} | {report['passed']} | {len(report['failed'])} | {len(report['not_run'])} |")
    for report in reports:
        show(report)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(reports, file, indent=1)


if __name__ == "__main__":
    try:
        main()
    except lab.Failed as failure:
        sys.exit(f"suite: {failure}")

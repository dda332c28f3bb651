"""The Redis door of three members beside redis-server, which syncs each write and has no replicas, and beside etcd.

Clients are redis-benchmark's, at the first member's door unless the line says otherwise; values have 256 bytes, keys are
100,000. CPU is counted for servers and clients together. Each line is the median run of some.
"""

import argparse
import csv
import io
import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import doors
import kv
import lab

KEYS = 100_000
VALUE_BYTES = 256
# (name, arguments, requests, at how many doors at once)
LOADS = [
    ("SET, 1 client", ["-t", "set", "-c", "1"], 3_000, 1),
    ("SET, 50 clients", ["-t", "set", "-c", "50"], 60_000, 1),
    ("SET, 500 clients", ["-t", "set", "-c", "500"], 100_000, 1),
    ("GET, 50 clients", ["-t", "get", "-c", "50"], 200_000, 1),
    ("GET, 500 clients", ["-t", "get", "-c", "500"], 200_000, 1),
    ("GET, 50 clients, `-P 16`", ["-t", "get", "-c", "50", "-P", "16"], 600_000, 1),
    ("INCR of one key, 50 clients", ["-c", "50", "INCR", "counter"], 100_000, 1),
    ("INCR of one key, 50 clients at each door", ["-c", "50", "INCR", "counter"], 40_000, 3),
]
LISTENERS, MESSAGES, MESSAGE_BYTES = 100, 20_000, 64
SILENT_SECONDS_MAX = 10


class Beside:
    """What is measured: ports, and processes whose CPU counts."""

    def __init__(self, ports, pids):
        self.ports, self.pids = ports, pids

    def cpu(self):
        return sum(lab.cpu_seconds(pid) for pid in self.pids)


def benchmark(port, requests, arguments):
    """A run of redis-benchmark, begun."""
    ways = ["redis-benchmark", "-p", str(port), "-n", str(requests), "--csv"]
    random = ["-r", str(KEYS), "-d", str(VALUE_BYTES)] if "-t" in arguments else []
    return subprocess.Popen([*ways, *random, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def load(beside, arguments, requests, at):
    """One run: requests a second of all clients, and the slowest door's percentiles."""
    before, running = beside.cpu(), [benchmark(port, requests, arguments) for port in beside.ports[:at]]
    rows, client_cpu = [], 0.0
    for child in running:
        printed = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = status
        if status != 0:
            raise lab.Failed("redis-benchmark failed")
        rows.append(list(csv.DictReader(io.StringIO(printed)))[0])
        client_cpu += usage.ru_utime + usage.ru_stime
    spent = beside.cpu() - before + client_cpu
    slowest = lambda column: max(float(row[column]) for row in rows)
    return {
        "per_second": sum(float(row["rps"]) for row in rows),
        "p50_ms": slowest("p50_latency_ms"),
        "p99_ms": slowest("p99_latency_ms"),
        "cpu_ms": 1000 * spent / (requests * len(rows)),
    }


def publish(beside):
    """What is said at the first door, heard by listeners at all of them: deliveries a second, and how many were lost."""
    payload = "x" * MESSAGE_BYTES
    one = len(f"*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n${MESSAGE_BYTES}\r\n{payload}\r\n")
    wanted, got, listeners = MESSAGES * LISTENERS * one, 0, selectors.DefaultSelector()
    for number in range(LISTENERS):
        listener = socket.create_connection(("127.0.0.1", beside.ports[number % len(beside.ports)]))
        listener.sendall(b"SUBSCRIBE ch\r\n")
        listener.recv(100)
        listener.setblocking(False)
        listeners.register(listener, selectors.EVENT_READ)
    before, own, began = beside.cpu(), time.process_time(), time.monotonic()
    speaker = benchmark(beside.ports[0], MESSAGES, ["-c", "10", "-P", "16", "PUBLISH", "ch", payload])
    heard = began
    while got < wanted and time.monotonic() - heard < SILENT_SECONDS_MAX:
        for key, _ in listeners.select(1):
            got += len(key.fileobj.recv(1 << 20))
            heard = time.monotonic()
    spent = beside.cpu() - before + time.process_time() - own
    speaker.communicate()
    for key in list(listeners.get_map().values()):
        key.fileobj.close()
    count = got // one
    return {"per_second": count / (heard - began), "cpu_us": 1e6 * spent / max(count, 1), "lost": MESSAGES * LISTENERS - count}


def measure(what, beside, repetitions):
    """All loads, each some times."""
    results = {}
    for name, arguments, requests, at in LOADS:
        if at > len(beside.ports):
            continue
        runs = [load(beside, arguments, requests, at) for _ in range(repetitions)]
        results[name] = sorted(runs, key=lambda run: run["per_second"])[len(runs) // 2]
        lab.say(f"{what}, {name}: {results[name]}")
    runs = [publish(beside) for _ in range(repetitions)]
    results["publish"] = sorted(runs, key=lambda run: run["per_second"])[len(runs) // 2]
    lab.say(f"{what}, publish: {results['publish']}")
    return results


def redis_server(repetitions):
    """The same at a redis-server; None where it is not installed."""
    program = shutil.which("redis-server")
    if not program:
        return None
    directory = tempfile.mkdtemp(prefix="storgo-bench-")
    try:
        with doors.Redis(program, directory, appends=True) as server:
            return measure("redis-server", Beside([server.number], [server.server.pid]), repetitions)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storgo", required=True)
    parser.add_argument("--groups", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    lab.clean_up_when_told_to_stop()
    results = {"load_before": os.getloadavg()[0]}
    with doors.Doors(os.path.abspath(arguments.storgo), arguments.groups) as members:
        members.wait_until_grown()
        results["storgo"] = measure("storgo", Beside(members.ports(), members.pids()), arguments.repetitions)
    results["redis-server"] = redis_server(arguments.repetitions)
    results["etcd"] = kv.etcd()
    print("| | storgo, a second | p50 ms | p99 ms | CPU ms each | redis-server, a second | p99 ms | CPU ms each |")
    print("|---|---|---|---|---|---|---|---|")
    for name, *_ in LOADS:
        row, beside = results["storgo"][name], (results["redis-server"] or {}).get(name)
        theirs = f"{beside['per_second']:,.0f} | {beside['p99_ms']:.1f} | {beside['cpu_ms']:.3f}" if beside else "| |"
        print(f"| {name} | {row['per_second']:,.0f} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f} | {row['cpu_ms']:.3f} | {theirs} |")
    if results["etcd"]:
        row = results["etcd"]
        print(f"| etcd, writes of 1 KiB, 500 clients | {row['per_second']:,.0f} | | | {row['cpu_ms']:.3f} | | | |")
    for what in ("storgo", "redis-server"):
        if row := (results[what] or {}).get("publish"):
            where = "three doors" if what == "storgo" else "one server"
            print(f"\n{what}: {row['per_second']:,.0f} deliveries a second to {LISTENERS} listeners at {where}, "
                  f"{row['cpu_us']:.2f} µs of CPU each, {row['lost']} lost.")
    print("\n" + json.dumps(results))


if __name__ == "__main__":
    try:
        main()
    except lab.Failed as failure:
        sys.exit(f"redis: {failure}")

"""Metadata groups beside etcd: writes and reads a second, what they cost all processes, and what members cost that idle.

Each line is the median run of some. CPU is counted for members and client together, for etcd too (`etcdctl check perf`, 500
clients over gRPC, which asks for 8,000 writes of 1 KiB a second at most, and so storgo writes 1 KiB there too).
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import lab

MEMBERS = 3
# (name, clients, bytes of a value, percent of reads)
LOADS = [
    ("writes, 1 client", 1, 256, 0),
    ("writes, 50 clients", 50, 256, 0),
    ("writes, 500 clients", 500, 256, 0),
    ("writes of 1 KiB, 500 clients", 500, 1024, 0),
    ("reads, 50 clients", 50, 256, 100),
    ("reads, 500 clients", 500, 256, 100),
]
IDLE_SECONDS = 15
ETCD_SECONDS = 60


class Members(lab.Lab):
    """A network of its own with metadata groups."""

    # Further flags of each member.
    FLAGS = []

    def __init__(self, storgo, groups):
        super().__init__(storgo, MEMBERS)
        self.env["STORGO_HOME"] = self.path("operator")
        self.groups = groups

    def start(self, number):
        """Starts a member; the first begins the network, the others are invited."""
        data, command = self.path(f"node{number}"), [self.storgo, "node", "run", "--json", "--exit-with-stdin", "--no-mdns"]
        command += ["--listen", "/ip4/127.0.0.1/tcp/0", "--data", data, *self.FLAGS]
        if number == 0:
            lab.Done([self.storgo, "network", "init", "--data", data, "--groups", str(self.groups), "--json"], self.env)
        else:
            invite = lab.Done([self.storgo, "network", "invite", "--node", self.path("node0"), "--json"], self.env)
            command += ["--join", invite.json()["invite"]]
        self.run_node(number, command)

    def wait_until_grown(self):
        """Waits until every group has its voters and a leader."""
        deadline = time.monotonic() + lab.READY_SECONDS_MAX
        while True:
            command = [self.storgo, "cluster", "groups", "--node", self.path("node0"), "--json"]
            try:
                rows = lab.Done(command, self.env).json()
            except lab.Failed:
                # A member that has just begun has heard of nobody yet.
                rows = []
            if len(rows) == self.groups + 1 and all(row["leader"] and len(row["voters"]) == MEMBERS for row in rows):
                return
            if time.monotonic() > deadline:
                raise lab.Failed("the groups did not grow")
            time.sleep(0.5)


def load(members, seconds, clients, value, reads):
    """One run of `bench kv`."""
    arguments = ["--clients", str(clients), "--seconds", str(seconds), "--value", str(value), "--reads", str(reads)]
    done = members.run("bench", "kv", "--via", members.living_address(), "--no-mdns", *arguments)
    report = done.json()
    pace = report["reads" if reads else "writes"]
    if report["failed"]:
        raise lab.Failed(f"{report['failed']} requests failed")
    cpu_ms = 1000 * (done.cpu + done.nodes_cpu) / pace["count"]
    return {"per_second": pace["per_second"], "p50_ms": pace["p50_ms"], "p99_ms": pace["p99_ms"], "cpu_ms": cpu_ms}


def idle(members):
    """What a member takes that nobody asks: percent of a core, and MiB."""
    before = members.cpu()
    time.sleep(IDLE_SECONDS)
    cpu = (members.cpu() - before) / IDLE_SECONDS / MEMBERS
    return {"core_percent": 100 * cpu, "resident_mib": max(lab.memory_mib(pid, "VmRSS") for pid in members.pids())}


def etcd():
    """`check perf` against three members of etcd on this disk; None where it is not installed."""
    if not shutil.which("etcd") or not shutil.which("etcdctl"):
        return None
    directory, members = tempfile.mkdtemp(prefix="storgo-bench-"), []
    ports = [(23790 + 10 * n, 23791 + 10 * n) for n in range(MEMBERS)]
    cluster = ",".join(f"e{n}=http://127.0.0.1:{peer}" for n, (_, peer) in enumerate(ports))
    try:
        for number, (client, peer) in enumerate(ports):
            own, theirs = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
            command = ["etcd", "--name", f"e{number}", "--data-dir", os.path.join(directory, f"e{number}")]
            command += ["--listen-client-urls", own, "--advertise-client-urls", own, "--listen-peer-urls", theirs]
            command += ["--initial-advertise-peer-urls", theirs, "--initial-cluster", cluster]
            members.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(5)
        env = {**os.environ, "ETCDCTL_API": "3"}
        cpu = lambda: sum(lab.cpu_seconds(member.pid) for member in members)
        before, endpoints = cpu(), ",".join(f"127.0.0.1:{client}" for client, _ in ports)
        with tempfile.TemporaryFile() as out:
            child = subprocess.Popen(["etcdctl", "--endpoints", endpoints, "check", "perf", "--load=l"], stdout=out, stderr=out, env=env)
            _, _, usage = os.wait4(child.pid, 0)
            child.returncode = 0
            out.seek(0)
            found = re.search(r"(\d+(?:\.\d+)?) writes/s", out.read().decode(errors="replace"))
        if not found:
            raise lab.Failed("etcdctl did not say how many writes it did")
        rate = float(found.group(1))
        spent = cpu() - before + usage.ru_utime + usage.ru_stime
        return {"per_second": rate, "cpu_ms": 1000 * spent / rate / ETCD_SECONDS}
    finally:
        for member in members:
            member.kill()
            member.wait()
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storgo", required=True)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--groups", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    lab.clean_up_when_told_to_stop()
    results = {"load_before": os.getloadavg()[0]}
    with Members(os.path.abspath(arguments.storgo), arguments.groups) as members:
        members.wait_until_grown()
        results["idle"] = idle(members)
        lab.say(f"idle: {results['idle']}")
        for name, *what in LOADS:
            runs = [load(members, arguments.seconds, *what) for _ in range(arguments.repetitions)]
            results[name] = sorted(runs, key=lambda run: run["per_second"])[len(runs) // 2]
            lab.say(f"{name}: {results[name]}")
    results["etcd"] = etcd()
    print("| | a second | p50 ms | p99 ms | CPU ms each, members and client |")
    print("|---|---|---|---|---|")
    for name, *_ in LOADS:
        row = results[name]
        print(f"| {name} | {row['per_second']:,.0f} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f} | {row['cpu_ms']:.3f} |")
    if results["etcd"]:
        row = results["etcd"]
        print(f"| etcd, writes of 1 KiB, 500 clients | {row['per_second']:,.0f} | | | {row['cpu_ms']:.3f} |")
    print(f"\nA member that idles with {arguments.groups + 1} groups: {results['idle']['core_percent']:.1f} % of a core, "
          f"{results['idle']['resident_mib']:.0f} MiB.\n")
    print(json.dumps(results))


if __name__ == "__main__":
    try:
        main()
    except lab.Failed as failure:
        sys.exit(f"kv: {failure}")

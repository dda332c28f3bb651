"""What a network of six costs: big files, small ones, idling. Entered through network.sh."""

import argparse
import json
import os
import subprocess
import sys
import time

from lab import (
    GIB,
    MIB,
    Failed,
    Lab,
    clean_up_when_told_to_stop,
    connections,
    cpu_seconds,
    median,
    memory_mib,
    random_file,
    same,
    say,
)

PEERS = 6
CODE = "erasure:4+2"
SMALL_BYTES = 4096
IDLE_SECONDS = 60
IDLE_WINDOW_SECONDS = 30


def big_once(lab, size, repetition):
    """Puts a fresh file, gets it, and gets it once more with two nodes dead, each get by a user with an empty home."""
    source, back = lab.path("source"), lab.path("back")
    random_file(source, size)
    row, gib = {"repetition": repetition}, size / GIB

    def note(what, done):
        row[f"{what}_cpu_s_per_gib"] = (done.cpu + done.nodes_cpu) / gib
        row[f"{what}_client_cpu_s_per_gib"] = done.cpu / gib
        row[f"{what}_mb_per_s"] = size / 1e6 / done.wall
        row[f"{what}_client_peak_mib"] = done.peak_mib

    def get(what):
        done = lab.get(ticket, back, home=f"home-{what}-{repetition}")
        if not same(source, back):
            raise Failed(f"{what}: the file came back differently")
        os.unlink(back)
        note(what, done)

    disks = lab.disks()
    done = lab.put(source, "--redundancy", CODE)
    note("put", done)
    ticket = done.json()["ticket"]
    row["disk_bytes_per_byte"] = (lab.disks() - disks) / size
    get("get")
    row["node_peak_mib"] = max(lab.peaks_mib())
    # The first node stays: the others join through it again.
    for number in (1, 2):
        lab.kill(number)
    get("get_two_dead")
    for number in (1, 2):
        lab.start(number)
    lab.wait_until_joined()
    os.unlink(source)
    return row


def big(storgo, size, repetitions):
    """The medians for big files."""
    with Lab(storgo, PEERS) as lab:
        lab.wait_until_joined()
        rows = []
        for repetition in range(repetitions):
            rows.append(big_once(lab, size, repetition))
            say(f"big file, {repetition + 1} of {repetitions}: {json.dumps(rows[-1])}")
    return {key: median(rows, key) for key in rows[0] if key != "repetition"}


def small_once(lab, program, count, repetition):
    """Puts and gets small files, 16 at a time, by one process that stays."""
    command = [program, "--via", lab.living_address(), "--home", lab.path(f"home-small-{repetition}")]
    command += ["--count", str(count), "--bytes", str(SMALL_BYTES), "--at-once", "16"]
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=lab.env, text=True)
    row, disks = {}, lab.disks()

    def line():
        text = client.stdout.readline()
        if not text:
            raise Failed(f"the client for small files ended with {client.wait()}")
        return json.loads(text)

    try:
        line()
        for what in ("put", "get"):
            before = (lab.cpu(), cpu_seconds(client.pid))
            client.stdin.write("\n")
            client.stdin.flush()
            seconds = line()["seconds"]
            nodes, own = lab.cpu() - before[0], cpu_seconds(client.pid) - before[1]
            row[f"{what}s_per_s"] = count / seconds
            row[f"{what}_cpu_ms"] = (nodes + own) / count * 1000
            row[f"{what}_nodes_cpu_ms"] = nodes / count * 1000
        client.stdin.close()
        if client.wait():
            raise Failed(f"the client for small files ended with {client.returncode}")
    finally:
        client.kill()
        client.wait()
    row["disk_bytes_per_byte"] = (lab.disks() - disks) / (count * SMALL_BYTES)
    return row


def small(storgo, program, count, repetitions):
    """The medians for small files."""
    with Lab(storgo, PEERS) as lab:
        lab.wait_until_joined()
        rows = []
        for repetition in range(repetitions):
            rows.append(small_once(lab, program, count, repetition))
            say(f"small files, {repetition + 1} of {repetitions}: {json.dumps(rows[-1])}")
    return {key: median(rows, key) for key in rows[0]}


def idle(storgo, seconds):
    """A node that nobody asks for anything: the most that any of the six takes."""
    with Lab(storgo, PEERS) as lab:
        lab.wait_until_joined()
        say(f"idle: waiting {seconds + IDLE_WINDOW_SECONDS} s")
        # Not waiting for something: the time itself is what is measured.
        time.sleep(seconds)
        before, start = [cpu_seconds(pid) for pid in lab.pids()], time.monotonic()
        time.sleep(IDLE_WINDOW_SECONDS)
        took = time.monotonic() - start
        spent = [cpu_seconds(pid) - had for pid, had in zip(lab.pids(), before)]
        return {
            "resident_mib": max(memory_mib(pid, "VmRSS") for pid in lab.pids()),
            "cpu_percent": max(spent) / took * 100,
            "connections": max(connections(pid) for pid in lab.pids()),
        }


def peer(scripts, name, up, bench, stop=()):
    """Runs another system by the scripts beside it; `None`, with a remark, where it is not installed or fails."""
    try:
        if up:
            subprocess.run(up, cwd=scripts, check=True, stdout=sys.stderr)
        done = subprocess.run(bench, cwd=scripts, check=True, stdout=subprocess.PIPE, text=True)
        rows = [json.loads(line.split(" ", 1)[1]) for line in done.stdout.splitlines() if line.startswith(name + " ")]
        if not rows or not all(row["sha_ok"] for row in rows):
            raise Failed(f"{name}: no rows, or the file came back differently")
        return rows
    except (OSError, subprocess.CalledProcessError, Failed) as error:
        say(f"skipped: {name}: {error}")
        return None
    finally:
        for pid in (line.split()[-1] for path in stop if os.path.exists(path) for line in open(path, encoding="ascii")):
            try:
                os.kill(int(pid), 15)
            except ProcessLookupError:
                pass


def others(scripts, size, repetitions):
    """Tahoe-LAFS 4-of-6 and sendme, in the same minutes on the same machine."""
    work, mib, times = os.environ.get("WORK"), str(size // MIB), str(repetitions)
    if not scripts or not work:
        say("skipped: other systems: name the directory of their scripts in STORGO_BENCH_PEERS, their scratch in WORK")
        return {}
    found = {}
    pids = os.path.join(work, "tahoe/grid/pids")
    rows = peer(scripts, "tahoe46.big", ["./tahoe_up.sh"], ["python3", "tahoe_bench.py", "big", mib, times], [pids])
    if rows:
        up = [{"cpu": row["up_srv_cpu_gib"] + row["up_cli_cpu_gib"]} for row in rows]
        down = [{"cpu": row["down_srv_cpu_gib"] + row["down_cli_cpu_gib"]} for row in rows]
        found["tahoe 4-of-6"] = {"put_cpu_s_per_gib": median(up, "cpu"), "get_cpu_s_per_gib": median(down, "cpu")}
    rows = peer(scripts, "sendme.big", None, ["python3", "sendme_bench.py", mib, times])
    if rows:
        hop = [{"cpu": row["import_cpu_gib"] + row["sender_cpu_gib"] + row["receiver_cpu_gib"]} for row in rows]
        found["sendme"] = {"get_cpu_s_per_gib": median(hop, "cpu")}
    return found


def markdown(result):
    """The result as tables."""
    lines = [f"{result['machine']}; {result['date']}; load {result['load'][0]:.1f} before, {result['load'][1]:.1f} after", ""]
    if "big" in result:
        row = result["big"]
        lines += [f"| {result['size_mib']} MiB, {CODE}, {PEERS} peers | CPU-s/GiB, all | of which client | MB/s | client peak MiB |"]
        lines += ["|---|---|---|---|---|"]
        for what, name in (("put", "put"), ("get", "get"), ("get_two_dead", "get, two peers dead")):
            cells = [row[f"{what}_{unit}"] for unit in ("cpu_s_per_gib", "client_cpu_s_per_gib", "mb_per_s", "client_peak_mib")]
            lines.append(f"| {name} | {cells[0]:.1f} | {cells[1]:.1f} | {cells[2]:.0f} | {cells[3]:.0f} |")
        for name, other in result["others"].items():
            cells = [f"{what} {other[f'{what}_cpu_s_per_gib']:.1f}" for what in ("put", "get") if f"{what}_cpu_s_per_gib" in other]
            lines.append(f"| {name} | {', '.join(cells)} | | | |")
        lines += ["", f"On disk {row['disk_bytes_per_byte']:.3f} bytes a byte; a node's peak {row['node_peak_mib']:.0f} MiB.", ""]
    if "small" in result:
        row = result["small"]
        lines += ["| 4 KiB files, 16 at a time | per second | CPU ms each, all | of which nodes |", "|---|---|---|---|"]
        for what in ("put", "get"):
            lines.append(f"| {what} | {row[f'{what}s_per_s']:.0f} | {row[f'{what}_cpu_ms']:.1f} | {row[f'{what}_nodes_cpu_ms']:.1f} |")
        lines += ["", f"On disk {row['disk_bytes_per_byte']:.1f} bytes a byte.", ""]
    if "idle" in result:
        row = result["idle"]
        lines += [f"Idle after {IDLE_SECONDS} s: {row['resident_mib']:.0f} MiB resident, {row['cpu_percent']:.2f} % CPU, "
                  f"{row['connections']} connections (the most of {PEERS} nodes)."]
    return "\n".join(lines)


def machine():
    """The CPU's name."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return f"{names[0] if names else 'unknown'}, {os.cpu_count()} cores"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storgo", required=True, help="the program")
    parser.add_argument("--small-files", required=True, help="the example of that name")
    parser.add_argument("--mib", type=int, default=1024, help="MiB of the big file")
    parser.add_argument("--count", type=int, default=500, help="small files a repetition")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--only", choices=("big", "small", "idle"), help="one part alone")
    arguments = parser.parse_args()
    clean_up_when_told_to_stop()
    size = arguments.mib * MIB
    result = {"machine": machine(), "date": time.strftime("%Y-%m-%d"), "size_mib": arguments.mib, "others": {}}
    load = os.getloadavg()[0]
    parts = [arguments.only] if arguments.only else ["big", "small", "idle"]
    try:
        if "big" in parts:
            result["big"] = big(arguments.storgo, size, arguments.repetitions)
            result["others"] = others(os.environ.get("STORGO_BENCH_PEERS"), size, arguments.repetitions)
        if "small" in parts:
            result["small"] = small(arguments.storgo, arguments.small_files, arguments.count, arguments.repetitions)
        if "idle" in parts:
            result["idle"] = idle(arguments.storgo, IDLE_SECONDS)
    except Failed as failed:
        say(f"failed: {failed}")
        return 1
    result["load"] = [load, os.getloadavg()[0]]
    print(markdown(result))
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A file far larger than memory allows: put, got, and a small range of it. Entered through big.sh."""

import argparse
import json
import os
import sys

from lab import GIB, MIB, Failed, Lab, clean_up_when_told_to_stop, random_file, same, say

PEERS = 6
CODE = "erasure:4+2"
RANGE_BYTES = 64 << 10
SEGMENT_BYTES = 128 << 10

CLIENT_PEAK_MIB_MAX = 256
NODE_PEAK_MIB_MAX = 200
# A 64 KiB range touches one or two segments, whose proofs add to them.
RANGE_SHARD_BYTES_MAX = (64 << 10) + 2 * SEGMENT_BYTES
RANGE_NODE_BYTES_MAX = 256 << 10


class Bounds:
    """Figures beside what they may be at most."""

    def __init__(self):
        self.rows = []

    def add(self, what, value, most):
        """Notes one figure, and says it."""
        self.rows.append({"what": what, "value": round(value, 1), "most": most, "held": value <= most})
        say(f"{'held' if value <= most else 'BROKEN':<8} {what}: {value:.1f} of {most}")

    def held(self):
        """Whether all were."""
        return all(row["held"] for row in self.rows)


def through(lab, size, bounds):
    """Puts and gets the whole file."""
    source, back = lab.path("source"), lab.path("back")
    random_file(source, size)
    done = lab.put(source, "--redundancy", CODE)
    ticket = done.json()["ticket"]
    bounds.add("put: client's peak MiB", done.peak_mib, CLIENT_PEAK_MIB_MAX)
    bounds.add("put: a node's peak MiB", max(lab.peaks_mib()), NODE_PEAK_MIB_MAX)
    say(f"put: {(done.cpu + done.nodes_cpu) / (size / GIB):.1f} CPU-s/GiB, {size / 1e6 / done.wall:.0f} MB/s")
    done = lab.get(ticket, back, home="reader")
    bounds.add("get: client's peak MiB", done.peak_mib, CLIENT_PEAK_MIB_MAX)
    bounds.add("get: a node's peak MiB", max(lab.peaks_mib()), NODE_PEAK_MIB_MAX)
    say(f"get: {(done.cpu + done.nodes_cpu) / (size / GIB):.1f} CPU-s/GiB, {size / 1e6 / done.wall:.0f} MB/s")
    if not same(source, back):
        raise Failed("the file came back differently")
    os.unlink(back)
    return ticket, source


def ranges(lab, ticket, source, size, bounds):
    """Gets 64 KiB from several places, each by a process that knows nothing yet."""
    shards, nodes = [], []
    for place in range(5):
        # Odd offsets, so that some ranges cross a segment.
        start = min(size - RANGE_BYTES, size * place // 4 + 50_001 * place)
        part = lab.path("part")
        done = lab.get(ticket, part, "--range", f"{start}..{start + RANGE_BYTES}", home=f"range{place}")
        with open(source, "rb") as original, open(part, "rb") as got:
            original.seek(start)
            if original.read(RANGE_BYTES) != got.read():
                raise Failed(f"the range at {start} came back differently")
        os.unlink(part)
        report = done.json()
        shards.append(report["bytes_pulled"])
        nodes.append(report["bytes_of_nodes"])
    bounds.add("range: bytes of shards", max(shards), RANGE_SHARD_BYTES_MAX)
    bounds.add("range: bytes of root, index and layout, cold", max(nodes), RANGE_NODE_BYTES_MAX)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storgo", required=True, help="the program")
    parser.add_argument("--mib", type=int, default=8192, help="MiB of the file")
    arguments = parser.parse_args()
    clean_up_when_told_to_stop()
    size, bounds = arguments.mib * MIB, Bounds()
    try:
        with Lab(arguments.storgo, PEERS) as lab:
            lab.wait_until_joined()
            ticket, source = through(lab, size, bounds)
            ranges(lab, ticket, source, size, bounds)
    except Failed as failed:
        say(f"failed: {failed}")
        return 1
    print(json.dumps({"mib": arguments.mib, "bounds": bounds.rows}))
    return 0 if bounds.held() else 1


if __name__ == "__main__":
    sys.exit(main())

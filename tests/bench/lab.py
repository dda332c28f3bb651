"""A network of storgo nodes as processes on loopback, and what the kernel says that they cost.

CPU seconds come from /proc/PID/stat (ticks of 10 ms), peak memory from VmHWM of /proc/PID/status; those of a finished
child from the account that the kernel gives when it is waited for. Only the standard library.
"""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
READY_SECONDS_MAX = 60
MIB = 1 << 20
GIB = 1 << 30


class Failed(Exception):
    """What was to be measured did not happen."""


def clean_up_when_told_to_stop():
    """Lets SIGTERM unwind as Ctrl-C does, so that nodes end and directories go."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def say(text):
    """Remarks go to standard error: results alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def cpu_seconds(pid):
    """CPU seconds of a living process, its waited-for children not counted."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def memory_mib(pid, what):
    """VmRSS or VmHWM of a living process in MiB."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024
    raise Failed(f"the kernel does not say {what} of process {pid}")


def connections(pid):
    """Established TCP connections of a process."""
    own = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except FileNotFoundError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            own.add(target[len("socket:["):-1])
    count = 0
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as rows:
            next(rows)
            for row in rows:
                fields = row.split()
                count += fields[3] == "01" and fields[9] in own
    return count


def allocated_bytes(paths):
    """Bytes that these trees take on disk."""
    total = 0
    for path in paths:
        for directory, _, names in os.walk(path):
            for name in [".", *names]:
                try:
                    total += os.lstat(os.path.join(directory, name)).st_blocks * 512
                except FileNotFoundError:
                    pass  # renamed meanwhile
    return total


def random_file(path, size):
    """Fills a file with bytes that do not compress, others each time, as fast as AES goes."""
    key, counter = os.urandom(32).hex(), os.urandom(16).hex()
    with open("/dev/zero", "rb") as zero, open(path, "wb") as out:
        cipher = subprocess.Popen(
            ["openssl", "enc", "-aes-256-ctr", "-K", key, "-iv", counter, "-nosalt"], stdin=zero, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        left = size
        while left:
            block = cipher.stdout.read(min(left, 4 * MIB))
            if not block:
                raise Failed("openssl gave too little")
            out.write(block)
            left -= len(block)
        cipher.stdout.close()
        cipher.terminate()
        cipher.wait()


def same(one, other):
    """Compares two files."""
    return subprocess.run(["cmp", "--silent", one, other], check=False).returncode == 0


def median(rows, key):
    """The median of one column."""
    return statistics.median(row[key] for row in rows)


class Done:
    """A command that ended: what it printed, and what it cost."""

    def __init__(self, command, env):
        start = time.monotonic()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            self.wall = time.monotonic() - start
            out.seek(0)
            err.seek(0)
            self.text, self.errors = out.read().decode(), err.read().decode(errors="replace")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak_mib = usage.ru_maxrss / 1024
        if child.returncode:
            raise Failed(f"{' '.join(command[:3])} … ended with {child.returncode}:\n{self.errors[-2000:]}")

    def json(self):
        """The line of JSON that it printed last."""
        return json.loads(self.text.strip().splitlines()[-1])


class Lab:
    """Some nodes. Used with `with`: they and all that they kept are gone afterwards."""

    def __init__(self, storgo, peers):
        self.storgo = storgo
        self.directory = tempfile.mkdtemp(prefix="storgo-bench-")
        self.network = "bench-" + os.urandom(8).hex()
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("STORGO_")}
        self.nodes = [None] * peers
        self.addresses = [None] * peers
        # What each said last when it was ready.
        self.ready = [None] * peers

    def __enter__(self):
        try:
            for number in range(len(self.nodes)):
                self.start(number)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            if node is not None:
                node.kill()
                node.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, name):
        """A path in the lab's directory."""
        return os.path.join(self.directory, name)

    def start(self, number):
        """Starts a node, which joins through another that lives, and waits until it is ready."""
        command = [self.storgo, "node", "run", "--json", "--exit-with-stdin", "--no-mdns", "--network", self.network]
        command += ["--listen", "/ip4/127.0.0.1/tcp/0", "--data", self.path(f"node{number}")]
        others = [address for n, address in enumerate(self.addresses) if address and n != number and self.nodes[n]]
        command += ["--bootstrap", others[0]] if others else []
        self.run_node(number, command)

    def run_node(self, number, command):
        """Runs a node and waits until it is ready."""
        with open(self.path(f"node{number}.log"), "ab") as log:
            node = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=self.env)
        self.nodes[number] = node
        # The line comes, or the node ends; what hangs is ended by whoever runs this.
        line = node.stdout.readline()
        if not line:
            with open(self.path(f"node{number}.log"), encoding="utf-8", errors="replace") as log:
                raise Failed(f"node {number} did not start:\n{log.read()[-2000:]}")
        self.ready[number] = json.loads(line)
        self.addresses[number] = self.ready[number]["addresses"][0]

    def kill(self, number):
        """Ends a node as a failure of power does, for the node."""
        self.nodes[number].send_signal(signal.SIGKILL)
        self.nodes[number].wait()
        self.nodes[number] = None

    def wait_until_joined(self):
        """Waits until every node is connected to every other."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        wanted = len(self.pids()) - 1
        while any(connections(pid) < wanted for pid in self.pids()):
            if time.monotonic() > deadline:
                raise Failed("the nodes did not find one another")
            time.sleep(0.1)

    def pids(self):
        """The processes that live."""
        return [node.pid for node in self.nodes if node is not None]

    def cpu(self):
        """CPU seconds of all living nodes."""
        return sum(cpu_seconds(pid) for pid in self.pids())

    def peaks_mib(self):
        """The peak resident memory of each living node."""
        return [memory_mib(pid, "VmHWM") for pid in self.pids()]

    def disks(self):
        """Bytes that the data directories take on disk."""
        return allocated_bytes([self.path(f"node{number}") for number in range(len(self.nodes))])

    def run(self, *arguments, home="home"):
        """Runs one command of a client; gives what it printed, cost, and cost the nodes meanwhile."""
        before = self.cpu()
        done = Done([self.storgo, *arguments, "--json", "--home", self.path(home)], self.env)
        done.nodes_cpu = self.cpu() - before
        return done

    def put(self, path, *flags):
        """Puts a file."""
        return self.run("put", path, "--via", self.living_address(), "--no-mdns", *flags)

    def get(self, ticket, target, *flags, home):
        """Gets an object."""
        return self.run("get", ticket, "-o", target, "--via", self.living_address(), "--no-mdns", *flags, home=home)

    def living_address(self):
        """Where a living node is."""
        return next(address for node, address in zip(self.nodes, self.addresses) if node is not None)

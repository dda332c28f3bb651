"""Members with doors for Redis's protocol, and a redis-server to put beside them."""

import socket
import subprocess
import time

import kv
import lab


class Doors(kv.Members):
    """Three members, each with a door."""

    FLAGS = ["--redis", "127.0.0.1:0"]

    def ports(self):
        """The ports of the doors, once the groups answer."""
        ports = [int(ready["redis"].rsplit(":", 1)[1]) for ready in self.ready]
        for port in ports:
            wait_until_answers(port)
        return ports

    def port(self):
        """The port of the first member's door, once the groups answer."""
        return self.ports()[0]


class Redis:
    """A redis-server in a directory; with `appends`, each write is synced to its log before it is answered."""

    def __init__(self, program, directory, appends=False):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.number = free.getsockname()[1]
        command = [program, "--port", str(self.number), "--save", "", "--dir", directory]
        if appends:
            command += ["--appendonly", "yes", "--appendfsync", "always"]
        self.server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until_answers(self.number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.kill()
        self.server.wait()


def wait_until_answers(port):
    """Waits until somebody answers PING at a port."""
    deadline = time.monotonic() + lab.READY_SECONDS_MAX
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(7) == b"+PONG\r\n":
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise lab.Failed(f"nobody answers at port {port}")
        time.sleep(0.1)

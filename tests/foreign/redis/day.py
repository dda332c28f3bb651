"""A day's work of redis-py at the doors of several members, over RESP2 and over RESP3.

    day.py HOST PORT PORT...

It ends with the first answer that is not what Redis says, and prints counts in one line of JSON if there is none. What it
writes begins with the name of the day; it leaves one key, so that others can read what it wrote.
"""

import json
import sys
import threading
import time

import redis

PLAIN = 60
PIPELINED = 300
COUNTS_EACH = 50
MOVES_EACH = 10
PATIENCE_S = 60
EVERY_BYTE = bytes(range(256))
LARGE = bytes(n * n % 251 for n in range(100_000))


def same(what, got, wanted):
    """Ends the day unless an answer is as expected."""
    if got != wanted or type(got) is not type(wanted):
        sys.exit(f"day.py: {what}: {got!r:.500}, and not {wanted!r:.500}")


def until(what, probe):
    """Waits until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not probe():
        if time.monotonic() > deadline:
            sys.exit(f"day.py: waited in vain until {what}")
        time.sleep(0.01)


def together(work, doors):
    """Does the same at every door at once."""
    failed = []

    def tell(number, door):
        try:
            work(number, door)
        except BaseException as error:  # also the exit of `same`
            failed.append(error)

    threads = [threading.Thread(target=tell, args=(number, door)) for number, door in enumerate(doors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


class Day:
    """One day, over one protocol."""

    def __init__(self, host, ports, protocol):
        self.name = f"py{protocol}"
        self.host, self.ports = host, ports
        # An attempt whose outcome is not known must not be made again by the client: counts would be wrong.
        never = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
        self.doors = [
            redis.Redis(host=host, port=port, protocol=protocol, socket_timeout=PATIENCE_S, retry=never, client_name=self.name)
            for port in ports
        ]
        self.first, self.last = self.doors[0], self.doors[-1]
        self.counts = {"protocol": protocol, "errors": 0}

    def key(self, rest):
        """A key of this day, in a slot of its own."""
        return f"{self.name}:{rest}"

    def beside(self, rest):
        """A key of this day, in one slot with all that were made here."""
        return f"{self.name}:{{beside}}:{rest}"

    def mine(self):
        """All keys of this day that there are."""
        return set(self.last.scan_iter(match=self.key("*"), count=1000))

    def work(self):
        """All of it."""
        self.greet()
        self.write_and_read()
        self.pipeline()
        self.count()
        self.expire()
        self.bytes_and_letters()
        self.edit()
        self.transact()
        self.move()
        self.err()
        self.scan()
        self.publish()
        self.cluster()
        self.leave()
        return self.counts

    def greet(self):
        """Each door knows its protocol and its client's name."""
        # What an earlier day left that ended in the middle.
        for key in self.mine():
            self.first.delete(key)
        for door in self.doors:
            same("PING", door.ping(), True)
            same("ECHO", door.echo(EVERY_BYTE), EVERY_BYTE)
            # The client gives text over one protocol, and bytes over the other.
            same("CLIENT GETNAME", door.client_getname() in (self.name, self.name.encode()), True)
        with self.first.client() as connection:
            hello = connection.execute_command("HELLO", self.counts["protocol"])
        if isinstance(hello, list):
            hello = dict(zip(hello[::2], hello[1::2]))
        same("HELLO", hello[b"proto"], self.counts["protocol"])
        same("type of INFO", type(self.first.info("server")), dict)

    def write_and_read(self):
        """What one door is told another gives."""
        for n in range(PLAIN):
            same("SET", self.doors[n % len(self.doors)].set(self.key(f"plain:{n}"), f"value {n}"), True)
        for n in range(PLAIN):
            same("GET", self.doors[(n + 1) % len(self.doors)].get(self.key(f"plain:{n}")), f"value {n}".encode())
        same("GET of nothing", self.first.get(self.key("nothing")), None)
        many = {self.key(f"many:{n}"): str(n) for n in range(20)}
        same("MSET", self.first.mset(many), True)
        same("MGET", self.last.mget([*many, self.key("nothing")]), [str(n).encode() for n in range(20)] + [None])
        same("SET NX", self.first.set(self.key("plain:0"), "x", nx=True), None)
        same("SET XX", self.last.set(self.key("nothing"), "x", xx=True), None)
        same("SET GET", self.last.set(self.key("plain:0"), "new", get=True), b"value 0")
        same("EXISTS", self.first.exists(*many, self.key("nothing")), 20)
        same("DEL", self.last.delete(*many, self.key("nothing")), 20)
        same("EXISTS", self.first.exists(*many), 0)

    def pipeline(self):
        """Answers come in the order of the questions."""
        keys = [self.key(f"piped:{n}") for n in range(PIPELINED)]
        for number, door in enumerate(self.doors):
            with door.pipeline(transaction=False) as pipe:
                for n in range(number, PIPELINED, len(self.doors)):
                    pipe.set(keys[n], n)
                    pipe.append(keys[n], "!")
                    pipe.get(keys[n])
                answers = pipe.execute()
            mine = range(number, PIPELINED, len(self.doors))
            wanted = [answer for n in mine for answer in (True, len(str(n)) + 1, f"{n}!".encode())]
            same("a pipeline of SET, APPEND and GET", answers, wanted)
        with self.last.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.get(key)
            same("a pipeline of GET", pipe.execute(), [f"{n}!".encode() for n in range(PIPELINED)])
        # An error in a pipeline is the answer of its command alone.
        with self.first.pipeline(transaction=False) as pipe:
            answers = pipe.incr(keys[0]).get(keys[0]).execute(raise_on_error=False)
        same("an error in a pipeline", (type(answers[0]), answers[1]), (redis.ResponseError, b"0!"))
        self.counts["errors"] += 1

    def count(self):
        """No door counts what another counted."""
        key, seen = self.key("count"), []

        def count(_, door):
            with door.pipeline(transaction=False) as pipe:
                for _ in range(COUNTS_EACH):
                    pipe.incr(key)
                seen.extend(pipe.execute())

        together(count, self.doors)
        counted = COUNTS_EACH * len(self.doors)
        same("the answers of INCR", sorted(seen), list(range(1, counted + 1)))
        same("GET of a counter", self.first.get(key), str(counted).encode())
        same("INCRBY", self.last.incrby(key, 2**40), counted + 2**40)
        same("DECRBY", self.first.decrby(key, 2**40), counted)
        same("DECR", self.last.decr(self.key("down")), -1)
        same("INCRBYFLOAT", self.first.incrbyfloat(self.key("float"), "10.25"), 10.25)
        same("INCRBYFLOAT", self.last.incrbyfloat(self.key("float"), "-0.75"), 9.5)
        self.counts["counted"] = int(self.last.get(key))

    def expire(self):
        """What ends, ends at every door; what is kept is kept."""
        short, long = self.key("short"), self.key("long")
        same("SET PX", self.first.set(short, "lived", px=300), True)
        for door in self.doors:
            until("it is over", lambda door=door: door.get(short) is None)
            same("TTL of what is over", door.ttl(short), -2)
        same("SET EX", self.first.set(long, "lived", ex=1000), True)
        same("TTL within its bounds", 900 < self.last.ttl(long) <= 1000, True)
        same("PTTL within its bounds", 900_000 < self.last.pttl(long) <= 1_000_000, True)
        same("SET KEEPTTL", self.last.set(long, "lives", keepttl=True), True)
        same("TTL kept", self.first.ttl(long) > 900, True)
        same("EXPIRE NX", self.first.expire(long, 5000, nx=True), False)
        same("EXPIRE GT", self.first.expire(long, 5000, gt=True), True)
        same("GETEX PERSIST", self.last.getex(long, persist=True), b"lives")
        same("TTL of what has no end", self.first.ttl(long), -1)
        same("PERSIST of what has no end", self.first.persist(long), False)
        same("PEXPIREAT of yesterday", self.last.pexpireat(long, int(time.time() * 1000) - 86_400_000), True)
        same("GET of what is over", self.first.get(long), None)

    def bytes_and_letters(self):
        """Keys and values are bytes, whichever."""
        key = self.key("").encode() + EVERY_BYTE
        same("SET of every byte", self.first.set(key, EVERY_BYTE), True)
        same("GET of every byte", self.last.get(key), EVERY_BYTE)
        same("BITCOUNT", self.first.bitcount(key), 1024)
        same("GETRANGE", self.first.getrange(key, 250, -1), EVERY_BYTE[250:])
        same("DEL of every byte", self.last.delete(key), 1)
        letters = self.key("grüße:日本:🦀")
        same("SET of letters", self.last.set(letters, "žluťoučký 🐎"), True)
        same("GET of letters", self.first.get(letters).decode(), "žluťoučký 🐎")
        same("STRLEN of letters", self.first.strlen(letters), len("žluťoučký 🐎".encode()))
        large = self.key("large")
        same("SET of a large value", self.first.set(large, LARGE), True)
        same("GET of a large value", self.last.get(large) == LARGE, True)
        same("APPEND to a large value", self.last.append(large, EVERY_BYTE), len(LARGE) + 256)
        same("SETRANGE in a large value", self.first.setrange(large, 50_000, b"here"), len(LARGE) + 256)
        wanted = LARGE[:50_000] + b"here" + LARGE[50_004:] + EVERY_BYTE
        same("GET of a changed large value", self.last.get(large) == wanted, True)
        same("SET of nothing", self.first.set(self.key("empty"), b""), True)
        same("GET of nothing", self.last.get(self.key("empty")), b"")

    def edit(self):
        """Bits, parts and names."""
        bits, text = self.key("bits"), self.beside("text")
        same("SETBIT", self.first.setbit(bits, 7, 1), 0)
        same("GETBIT", self.last.getbit(bits, 7), 1)
        same("BITPOS", self.last.bitpos(bits, 1), 7)
        field = self.first.bitfield(bits).set("u8", 8, 200).incrby("u8", 8, 10).get("i8", 8)
        same("BITFIELD", field.execute(), [0, 210, -46])
        same("SET", self.first.set(text, "ohmytext"), True)
        same("RENAME", self.last.rename(text, self.beside("other")), True)
        same("COPY", self.first.copy(self.beside("other"), text), True)
        same("SET", self.last.set(self.beside("other"), "mynewtext"), True)
        same("LCS", self.first.execute_command("LCS", text, self.beside("other")), b"mytext")
        same("GETDEL", self.last.getdel(text), b"ohmytext")
        same("GETDEL", self.last.getdel(text), None)
        same("TYPE", (self.first.type(bits), self.first.type(text)), (b"string", b"none"))

    def transact(self):
        """A transaction is done whole, or not at all."""
        one, other = self.beside("one"), self.beside("other")
        with self.first.pipeline() as pipe:
            answers = pipe.set(one, 1).incr(one).set(other, "x").incr(other).get(one).execute(raise_on_error=False)
        same("the error in a transaction", type(answers[3]), redis.ResponseError)
        same("a transaction", answers[:3] + answers[4:], [True, 2, True, b"2"])
        with self.first.pipeline() as pipe:
            pipe.watch(one)
            same("GET of what is watched", pipe.get(one), b"2")
            same("SET by another", self.last.set(one, "changed"), True)
            pipe.multi()
            pipe.set(one, "lost")
            try:
                same("EXEC of what changed", pipe.execute(), "WatchError")
            except redis.WatchError:
                self.counts["errors"] += 1
            same("GET of what changed", self.last.get(one), b"changed")
            pipe.watch(one, other)
            pipe.multi()
            same("EXEC of what stayed", pipe.set(one, "done").get(other).execute(), [True, b"x"])
        same("GET of what was done", self.last.get(one), b"done")
        # What cannot be queued breaks the whole.
        with self.first.pipeline() as pipe:
            pipe.set(one, "lost").execute_command("SET", one)
            try:
                same("EXEC of what was refused", pipe.execute(), "an error")
            except redis.ResponseError as error:
                same("the error of what was refused", "wrong number of arguments" in str(error), True)
                self.counts["errors"] += 1
        with self.first.client() as connection:
            same("MULTI", connection.execute_command("MULTI"), b"OK")
            same("QUEUED", connection.execute_command("DEL", one), b"QUEUED")
            same("DISCARD", connection.execute_command("DISCARD"), b"OK")
        same("GET of what was left", self.last.get(one), b"done")

    def move(self):
        """Money between accounts, watched, at all doors at once: none is lost, none is made."""
        giver, taker = self.beside("giver"), self.beside("taker")
        moves = MOVES_EACH * len(self.doors)
        self.first.set(giver, moves)
        self.first.set(taker, 0)

        def move(_, door):
            for _ in range(MOVES_EACH):
                def by_one(pipe):
                    # Others may come between these; EXEC sees it.
                    left, there = int(pipe.get(giver)), int(pipe.get(taker))
                    pipe.multi()
                    pipe.set(giver, left - 1).set(taker, there + 1)

                door.transaction(by_one, giver, taker, watch_delay=0.001)

        together(move, self.doors)
        same("what was moved", self.last.mget(giver, taker), [b"0", str(moves).encode()])
        self.counts["committed"] = int(self.last.get(taker))

    def err(self):
        """Wrong commands get the error that they get of Redis."""
        text = self.key("plain:1")
        wrongs = [
            (redis.ResponseError, "value is not an integer or out of range", ("INCR", text)),
            (redis.ResponseError, "unknown command 'NOSUCH'", ("NOSUCH", text)),
            (redis.ResponseError, "wrong number of arguments for 'get' command", ("GET",)),
            (redis.ResponseError, "syntax error", ("SET", text, "x", "SOON")),
            (redis.ResponseError, "invalid expire time in 'set' command", ("SET", text, "x", "EX", "0")),
            (redis.ResponseError, "bit offset is not an integer or out of range", ("SETBIT", text, "-1", "1")),
            (redis.ResponseError, "no such key", ("RENAME", self.beside("gone"), self.beside("away"))),
            (redis.ResponseError, "DB index is out of range", ("SELECT", "17")),
            (redis.ResponseError, "EXEC without MULTI", ("EXEC",)),
            (redis.exceptions.ClusterCrossSlotError, "same slot", ("MSETNX", self.key("a"), "1", self.key("b"), "2")),
        ]
        for kind, words, command in wrongs:
            try:
                same(" ".join(command), self.first.execute_command(*command), kind)
            except redis.ResponseError as error:
                same(f"the error of {' '.join(command)}", type(error), kind)
                if words not in str(error):
                    same(f"the error of {' '.join(command)}", str(error), words)
            self.counts["errors"] += 1
        same("GET after errors", self.last.get(text), b"value 1")
        # A connection that is gone is made again by the next command.
        with self.first.client() as connection:
            mine = connection.client_id()
            same("CLIENT KILL", self.last.ping() and self.first.client_kill_filter(_id=mine), 1)
            try:
                same("PING on a killed connection", connection.ping(), "ConnectionError")
            except redis.ConnectionError:
                self.counts["errors"] += 1
            same("PING on a new connection", connection.ping(), True)

    def scan(self):
        """A scan gives every key once, and no other."""
        wanted = sorted(self.key(f"piped:{n}").encode() for n in range(PIPELINED))
        # In some pages, and in one.
        for door, count in zip(self.doors, (100, 1000, 1000)):
            same("SCAN", sorted(door.scan_iter(match=self.key("piped:*"), count=count)), wanted)
        some = sorted(self.last.scan_iter(match=self.key("piped:?"), count=1000, _type="string"))
        same("SCAN of some", some, [self.key(f"piped:{n}").encode() for n in range(10)])
        same("SCAN of a type", list(self.last.scan_iter(match=self.key("piped:*"), count=1000, _type="list")), [])
        same("KEYS", sorted(self.first.keys(self.key("piped:*"))), wanted)
        self.counts["scanned"] = len(wanted)

    def publish(self):
        """What is published at one door is heard at others, by channel and by pattern, in order."""
        channel, speaker = self.key("news"), self.doors[1 % len(self.doors)]
        said = [str(n).encode() for n in range(PIPELINED)]
        near, far = (door.pubsub(ignore_subscribe_messages=True) for door in (self.first, self.last))
        near.subscribe(channel)
        far.psubscribe(self.key("n?w[s]"))

        def hears(listener):
            speaker.publish(channel, "hello")
            return listener.get_message(timeout=0.1) is not None

        # Doors find each other within seconds.
        for listener in (near, far):
            until("a listener hears another door", lambda: hears(listener))
        for word in said:
            speaker.publish(channel, word)
        for listener, kind in ((near, "message"), (far, "pmessage")):
            heard = []
            while len(heard) < len(said):
                message = listener.get_message(timeout=PATIENCE_S)
                same("a message", message is not None and message["type"], kind)
                same("its channel", message["channel"], channel.encode())
                if message["data"] != b"hello":
                    heard.append(message["data"])
            same("what was heard", heard, said)
            listener.close()

    def cluster(self):
        """A cluster client finds all doors, and goes to the nearest of each key."""
        values = {self.key(f"cluster:{n}"): str(n).encode() for n in range(PLAIN)}
        nodes = redis.RedisCluster(
            host=self.host, port=self.ports[0], protocol=self.counts["protocol"], socket_timeout=PATIENCE_S
        )

        def ports():
            nodes.nodes_manager.initialize()
            return sorted(node.port for node in nodes.get_nodes())

        until("all doors are known", lambda: ports() == sorted(self.ports))
        for key, value in values.items():
            same("SET", nodes.set(key, value), True)
        same("GET at a door", [self.last.get(key) for key in values], list(values.values()))
        same("GET", [nodes.get(key) for key in values], list(values.values()))
        same("MGET of several slots", nodes.mget_nonatomic(list(values)), list(values.values()))
        with nodes.pipeline() as pipeline:
            for key in values:
                pipeline.incrby(key, 1000)
            same("a pipeline over doors", pipeline.execute(), [1000 + n for n in range(PLAIN)])
        same("CLUSTER KEYSLOT", nodes.cluster_keyslot(self.beside("k")), nodes.keyslot(self.beside("k")))
        same("DEL", sum(nodes.delete(key) for key in values), PLAIN)
        nodes.close()

    def leave(self):
        """All is deleted but what others are to read."""
        left = self.key("left")
        self.first.set(left, EVERY_BYTE * 100)
        mine = self.mine() - {left.encode()}
        same("UNLINK", self.first.unlink(*mine), len(mine))
        same("SCAN of what is left", self.mine(), {left.encode()})
        self.counts["deleted"] = len(mine)
        for door in self.doors:
            door.close()


def main():
    """The days."""
    host, ports = sys.argv[1], [int(port) for port in sys.argv[2:]]
    days = [Day(host, ports, protocol).work() for protocol in (2, 3)]
    print(json.dumps({"client": f"redis-py {redis.__version__}", "days": days}))


if __name__ == "__main__":
    main()

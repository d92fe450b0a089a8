"""A bad line: a relay between client and server on loopback, in a process of its own.

    with relay(("127.0.0.1", 8080), rtt=0.3, rate=50e6 / 8, cut_every=32 << 20) as line:
        ...  # connect to line.place instead
        line.told()  # what passed and how often it was cut

Both directions are delayed by half a round trip, and connecting costs one. All connections share
`rate` bytes a second in each direction, fairly: whoever has something to send takes turns. A cut
comes after `cut_every` bytes on average, drawn from `seed` by the bytes that passed in total, and
hits `all` connections there are, or the `one` that carried the last byte. `reset` ends both sides
at once, `hang` lets both sides believe that the other is still there, `mixed` is one after the
other. What was under way is lost.
"""

import asyncio
import fcntl
import json
import math
import random
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.shared import ROOT

TURN = 16 << 10  # bytes of one connection before the next one's turn
UNDER_WAY = 512  # turns of one connection on the line at most
KERNEL = 256 << 10  # bytes that the kernel may hold before the line
ESTABLISHED = 1  # of TCP_INFO


class Line:
    """What the relay's connections share: the bandwidth of one direction."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free_at = 0.0
        self._turn = asyncio.Lock()  # waiters are served in the order in which they came

    async def carry(self, count: int) -> None:
        """Wait until `count` bytes have gone over the line."""
        if self._rate is None:
            return
        async with self._turn:
            now = asyncio.get_running_loop().time()
            # A sleep that was too long is caught up with, for as long as a sleep may be wrong.
            self._free_at = max(self._free_at, now - 0.02) + count / self._rate
            if self._free_at > now:
                await asyncio.sleep(self._free_at - now)


class Connection:
    """One connection of a client, and the relay's own to the server."""

    def __init__(self, switch: "Switch", client: socket.socket) -> None:
        self.switch = switch
        self.client = client
        self.server = socket.socket(switch.family, socket.SOCK_STREAM)
        self.server.setblocking(False)
        self.fate = ""
        self._tasks: list[asyncio.Task[None]] = []
        self.opened = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Pass bytes both ways until both sides have ended, one has failed, or the line is cut."""
        loop = asyncio.get_running_loop()
        with suppress(asyncio.CancelledError):
            try:
                await asyncio.sleep(self.switch.rtt / 2)
                await loop.sock_connect(self.server, self.switch.target)
                async with asyncio.TaskGroup() as group:
                    up = self._pipe(
                        group, self.client, self.server, self.switch.up, self.switch.rtt
                    )
                    down = self._pipe(group, self.server, self.client, self.switch.down, 0.0)
                    self._tasks = [*up, *down]
            except* OSError:
                self.fate = "reset"  # one side is gone: the other learns it
        self.switch.connections.discard(self)
        if self.fate == "hang":
            self.switch.hung.append(self)
            return
        for _ in range(2000):
            if self.fate != "reset" or not _not_arrived(self.server):
                break
            await asyncio.sleep(0.001)  # a reset would take back what has passed already
        self._close()

    def _pipe(
        self, group: asyncio.TaskGroup, source: socket.socket, sink: socket.socket, line: Line,
        connecting: float,
    ) -> list[asyncio.Task[None]]:  # fmt: skip
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(UNDER_WAY)
        return [
            group.create_task(self._take(source, way, line, connecting)),
            group.create_task(self._give(sink, way)),
        ]

    async def _take(
        self, source: socket.socket, way: asyncio.Queue[tuple[float, bytes]], line: Line,
        connecting: float,
    ) -> None:  # fmt: skip
        loop = asyncio.get_running_loop()
        data = b"-"
        while data:
            data = await loop.sock_recv(source, TURN)
            await line.carry(len(data))
            sent = max(loop.time(), self.opened + connecting)
            await way.put((sent + self.switch.rtt / 2, data))

    async def _give(self, sink: socket.socket, way: asyncio.Queue[tuple[float, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await way.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            allowed = self.switch.allowed(len(data), upwards=sink is self.server)
            await loop.sock_sendall(sink, data[:allowed])
            self.switch.passed(allowed, self)

    def cut(self, how: str) -> None:
        """Stop passing bytes; `run` does the rest, when nobody waits for the sockets any more."""
        self.fate = how
        for task in self._tasks:
            task.cancel()

    def _close(self) -> None:
        for end in (self.client, self.server):
            if self.fate == "reset":
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()


def _not_arrived(end: socket.socket) -> bool:
    """Return whether the other side's kernel has yet to acknowledge some of what was sent."""
    try:
        state = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        waiting = struct.unpack("i", fcntl.ioctl(end, termios.TIOCOUTQ, bytes(4)))[0]
    except OSError:
        return False
    return state == ESTABLISHED and waiting > 0


class Switch:
    """All connections, and what befalls them."""

    def __init__(self, target: tuple[str, int], asked: dict[str, Any]) -> None:
        self.target = target
        self.family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        self.rtt: float = asked["rtt"]
        self.up, self.down = Line(asked["rate"]), Line(asked["rate"])
        self.connections: set[Connection] = set()
        self.hung: list[Connection] = []
        self.silent = False  # connections are accepted, and nothing more
        self.total = self.accepted = self.cuts = 0
        self.gone = {True: 0, False: 0}  # bytes that reached the server, the clients
        self._draw = random.Random(asked["seed"])
        self._cut_every: float | None = asked["cut_every"]
        self._how: str = asked["how"]
        self._hits: str = asked["hits"]
        self._next_cut = self._drawn()
        self._cut_at: dict[bool, int] = {}  # the same, exactly
        self._running: set[asyncio.Task[None]] = set()

    def _drawn(self) -> float:
        if self._cut_every is None:
            return math.inf
        return self.total + self._draw.expovariate(1 / self._cut_every)

    def accept(self, client: socket.socket) -> None:
        self.accepted += 1
        connection = Connection(self, client)
        if self.silent:
            self.hung.append(connection)
            return
        self.connections.add(connection)
        task = asyncio.get_running_loop().create_task(connection.run())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def allowed(self, count: int, *, upwards: bool) -> int:
        """Return how many of these bytes come through before a cut at an exact place."""
        found = min(count, self._cut_at.get(upwards, math.inf) - self.gone[upwards])
        self.gone[upwards] += int(found)
        return int(found)

    def passed(self, count: int, by: Connection) -> None:
        self.total += count
        if any(self.gone[way] >= at for way, at in self._cut_at.items()):
            self._cut_at.clear()
            self.cut(self._how)
        elif self.total >= self._next_cut:
            self._next_cut = self._drawn()
            self.cut(self._how, [by] if self._hits == "one" else None)

    def cut(self, how: str, hit: list[Connection] | None = None) -> None:
        """Cut connections; None: every one there is."""
        self.cuts += 1
        if how == "mixed":
            how = "hang" if self.cuts % 2 else "reset"
        for connection in self.connections if hit is None else hit:
            connection.cut(how)

    def obey(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what the test asks for, and tell how things are."""
        if "cut" in asked:
            self.cut(asked["cut"])
        if "cut_after" in asked:
            way = asked["upwards"]
            self._cut_at, self._how = {way: self.gone[way] + asked["cut_after"]}, asked["how"]
        if "silent" in asked:
            self.silent = asked["silent"]
        if "lead" in asked:
            self.target = tuple(asked["lead"])
            self.cut("reset")
        if "black_hole" in asked:
            self.silent = True
            self.cut("hang")
        return {
            "bytes": self.total, "uploaded": self.gone[True], "downloaded": self.gone[False],
            "connections": self.accepted, "open": len(self.connections), "cuts": self.cuts,
        }  # fmt: skip


async def _serve(target: tuple[str, int], asked: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    switch = Switch(target, asked)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if asked["rate"] is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL)
    listener.bind((asked["listen"], 0))
    listener.listen(1000)
    listener.setblocking(False)
    _say({"port": listener.getsockname()[1]})
    loop.create_task(_accept(listener, switch))  # noqa: RUF006  # it ends with the process
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while text := await commands.readline():
        _say(switch.obey(json.loads(text)))


async def _accept(listener: socket.socket, switch: Switch) -> None:
    while True:
        client, _ = await asyncio.get_running_loop().sock_accept(listener)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        switch.accept(client)


def _say(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


class Relay:
    """A running relay, as the test that started it sees it."""

    def __init__(self, process: "subprocess.Popen[str]", listen: str) -> None:
        self._process = process
        assert process.stdout is not None
        port: int = json.loads(process.stdout.readline())["port"]
        self.place: tuple[str, int] = (listen, port)

    @property
    def address(self) -> str:
        return f"http://{self.place[0]}:{self.place[1]}"

    def told(self) -> dict[str, int]:
        """Return bytes, uploaded, downloaded, connections, open, cuts."""
        return self._ask({})

    def cut(self, how: str = "reset") -> None:
        """Cut every connection now."""
        self._ask({"cut": how})

    def cut_after(self, count: int, how: str = "reset", *, upwards: bool = True) -> None:
        """Cut every connection when exactly `count` more bytes have reached the other side.

        Args:
            count: 1 or more.
            how: `reset` or `hang`.
            upwards: they reach the server; else the client.
        """
        self._ask({"cut_after": count, "how": how, "upwards": upwards})

    def half_open(self, *, silent: bool = True) -> None:
        """From now on let clients connect to nobody; or again to the server."""
        self._ask({"silent": silent})

    def lead(self, target: tuple[str, int]) -> None:
        """Cut every connection; whoever connects from now on reaches another server."""
        self._ask({"lead": target})

    def black_hole(self) -> None:
        """Let everything hang, and whoever connects from now on."""
        self._ask({"black_hole": True})

    def _ask(self, asked: dict[str, Any]) -> dict[str, int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        found: dict[str, int] = json.loads(self._process.stdout.readline())
        return found


@contextmanager
def relay(
    target: tuple[str, int], *, rtt: float = 0.0, rate: float | None = None,
    cut_every: float | None = None, how: str = "mixed", hits: str = "all", seed: int = 1,
    listen: str = "127.0.0.1",
) -> Iterator[Relay]:  # fmt: skip
    """Run a relay to a server until the end of the block.

    Args:
        target: host and port of the server.
        rtt: seconds of a round trip.
        rate: bytes a second, shared by all connections, in each direction.
        cut_every: bytes between two cuts, on average.
        how: what a cut does: `reset`, `hang` or `mixed`.
        hits: which connections: `all`, or the `one` that carried the last byte.
        seed: of the cuts.
        listen: the address that clients connect to.
    """
    asked = {"rtt": rtt, "rate": rate, "cut_every": cut_every, "how": how, "seed": seed}
    asked |= {"hits": hits, "listen": listen}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.relay", *map(str, target), json.dumps(asked)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    with process:
        try:
            yield Relay(process, listen)
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_serve((sys.argv[1], int(sys.argv[2])), json.loads(sys.argv[3])))

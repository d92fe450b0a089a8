"""HTTP by hand: exact bytes over plain sockets, and what came back, down to the header lines."""

import base64
import hashlib
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

OCTETS = "application/offset+octet-stream"
UPLOADS = "/api/v1/uploads"
Place = tuple[str, int]
Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, repr=False)
class Answer:
    """One response; names of headers in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes
    lines: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"

    @property
    def offset(self) -> int:
        return int(self.headers["upload-offset"])

    @property
    def location(self) -> str:
        return self.headers["location"]


def head_of(method: str, path: str, headers: Headers = ()) -> bytes:
    """Return a request line and header lines, as they go over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: evidence.test"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def connect(place: Place, timeout: float = 60) -> socket.socket:
    line = socket.create_connection(place, timeout=timeout)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def read_answer(line: socket.socket, *, method: str = "GET") -> Answer:
    """Read one final response; informational ones before it are read over.

    Raises:
        ConnectionError: the connection ended before it was whole.
    """
    with line.makefile("rb") as file:
        while True:
            status, lines = _head(file)
            if status >= 200:
                break
        headers = {}
        for text in lines:
            name, _, value = text.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = b""
        if method != "HEAD" and status not in (204, 304):
            body = _body(file, headers)
    return Answer(status, headers, body, lines)


def ask(
    place: Place, method: str, path: str, headers: Headers = (), body: bytes | None = None,
    *, timeout: float = 60,
) -> Answer:  # fmt: skip
    """Make one request on a connection of its own."""
    named = list(headers)
    if body is not None and not any(name.lower() == "content-length" for name, _ in named):
        named.append(("Content-Length", str(len(body))))
    with connect(place, timeout) as line:
        line.sendall(head_of(method, path, named))
        with suppress(BrokenPipeError, ConnectionResetError):
            line.sendall(body or b"")  # a refusal may come before the last byte
        return read_answer(line, method=method)


def reset(line: socket.socket) -> None:
    """End a connection with RST."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


def finish(line: socket.socket) -> None:
    """Say that nothing more comes (FIN), and wait until the other side has understood."""
    with suppress(OSError):
        socket.socket.shutdown(line, socket.SHUT_WR)
        while line.recv(65536):
            continue
    line.close()


def base64_of(value: bytes) -> str:
    return base64.b64encode(value).decode()


def checksum(data: bytes, algorithm: str = "sha1") -> str:
    return f"{algorithm} {base64_of(hashlib.new(algorithm, data).digest())}"


def repr_digest(data: bytes) -> str:
    return f"sha-256=:{base64_of(hashlib.sha256(data).digest())}:"


def metadata(**values: bytes) -> str:
    return ",".join(f"{name} {base64_of(value)}".rstrip() for name, value in values.items())


class Tus:
    """A client of tus for one person, which says exactly what it is told to say."""

    timeout = 60.0

    def __init__(self, place: Place, token: str, **said: bytes) -> None:
        self.place = place
        self.token = token
        self.said = said or {"case": b"KRN", "filename": b"a.bin"}

    def headers(self, *more: tuple[str, str]) -> list[tuple[str, str]]:
        return [("Tus-Resumable", "1.0.0"), ("Authorization", f"Bearer {self.token}"), *more]

    def ask(
        self, method: str, path: str = UPLOADS, *more: tuple[str, str], body: bytes | None = None
    ) -> Answer:
        return ask(self.place, method, path, self.headers(*more), body, timeout=self.timeout)

    def post(self, *more: tuple[str, str], body: bytes | None = None, **said: bytes) -> Answer:
        told = metadata(**{**self.said, **said})
        extra = [("Content-Type", OCTETS)] if body is not None else []
        return self.ask("POST", UPLOADS, ("Upload-Metadata", told), *extra, *more, body=body)

    def create(self, length: int, *more: tuple[str, str], **said: bytes) -> str:
        """Return the location of a new upload."""
        made = self.post(("Upload-Length", str(length)), *more, **said)
        assert made.status == 201, made
        return made.location

    def head(self, location: str) -> Answer:
        return self.ask("HEAD", location)

    def patch(self, location: str, offset: int, data: bytes, *more: tuple[str, str]) -> Answer:
        return self.ask("PATCH", location, *_patching(offset), *more, body=data)

    def state(self, location: str) -> Answer:
        return self.ask("GET", location)

    def begin_patch(
        self, location: str, offset: int, length: int, data: bytes = b"", *more: tuple[str, str]
    ) -> socket.socket:
        """Send the head and a beginning of the bytes; return the open line."""
        line = connect(self.place, self.timeout)
        told = self.headers(*_patching(offset), ("Content-Length", str(length)), *more)
        line.sendall(head_of("PATCH", location, told) + data)
        return line


def all_read(line: socket.socket) -> None:
    """Wait until the other side, on this machine, has read all that was sent over a line.

    A reset drops what its kernel still holds. Both ends stand in /proc/net/tcp (proc(5)): local
    and remote address, state, and `tx_queue:rx_queue`.
    """
    mine, there = (f"{one[1]:04X}" for one in (line.getsockname(), line.getpeername()))
    until = time.monotonic() + 60
    waiting = None
    while waiting != (0, 0):
        assert time.monotonic() < until, f"not sent and not read by the other side: {waiting}"
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        queues = {(row[1][-4:], row[2][-4:]): row[4].split(":") for row in rows}
        with suppress(KeyError):  # a row may be missing while the table changes
            waiting = int(queues[mine, there][0], 16), int(queues[there, mine][1], 16)
        time.sleep(0.01)
    time.sleep(0.1)  # from its kernel into its hands


def _patching(offset: int) -> list[tuple[str, str]]:
    return [("Content-Type", OCTETS), ("Upload-Offset", str(offset))]


def _head(file) -> tuple[int, list[str]]:  # type: ignore[no-untyped-def]
    first = file.readline(65536)
    if not first.startswith(b"HTTP/1.1 "):
        raise ConnectionResetError(f"no answer: {first!r}")
    lines = []
    while (text := file.readline(65536)) not in (b"\r\n", b""):
        lines.append(text.decode("latin-1").rstrip("\r\n"))
    return int(first.split()[1]), lines


def _body(file, headers: dict[str, str]) -> bytes:  # type: ignore[no-untyped-def]
    if headers.get("transfer-encoding", "").lower() == "chunked":
        found = b""
        while size := int(file.readline(), 16):
            found += file.read(size)
            file.readline()
        file.readline()
        return found
    length = headers.get("content-length")
    data: bytes = file.read() if length is None else file.read(int(length))
    if length is not None and len(data) != int(length):
        raise ConnectionResetError("the answer was cut")
    return data

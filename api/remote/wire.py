"""The wire: one kept-alive connection to one service, and one HTTP exchange at a time on it.

Made for lines that fail. Nothing waits for ever: a connection that moves no byte for `STALL`
seconds is given up, an answer has an end. Whoever is at the other end is looked at on the very
connection that is used, before a byte of HTTP is sent: the pinned key, or the authorities of this
computer. Redirects are not followed, and proxies of the environment are not used.
"""

import fcntl
import http.client
import io
import ipaddress
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from api.errors import CertificateUnusable, LineIntercepted, LineLost
from api.remote.identity import check_pin, client_context, explain_refusal
from api.remote.invitation import Address
from api.remote.proxy import Proxy
from api.remote.rate import Limiter
from api.told import Stop
from repository.errors import DiskFull

CONNECT = 30.0  # seconds to reach the service and agree on TLS
STALL = 20.0  # seconds without a byte moving
ANSWER = 120.0  # seconds until an answer begins, once all was sent, where nothing else is said
DRIP = 1024  # bytes a second below which an answer that has begun is given up
MAX_ANSWER = 8 << 20
Body = Iterable[bytes | memoryview]
_TICK = 0.5
_STEP = 64 << 10


class Stopped(Exception):
    """This run ends; whoever waits stops waiting."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    whole: bool = True  # False: it says nowhere how long it is, so a cut one looks the same

    @property
    def content_type(self) -> str:
        """Return the media type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Far:
    """The far end: where it is, the key it must show, and how it is reached."""

    address: Address
    pin: str | None = None
    proxy: Proxy | None = None
    certificate: tuple[Path, Path] | None = None  # a client's own, and its key: PEM files


class Wire:
    """A connection that is made when it is first needed and again after it broke."""

    def __init__(self, far: Far, limiter: Limiter, stop: Stop) -> None:
        self._far = far
        self._limiter = limiter
        self._stop = stop
        self._context: ssl.SSLContext | None = None
        if far.address.scheme == "https":
            self._context = client_context(far.pin, far.certificate)
        self._sock: socket.socket | None = None
        self._moved = 0.0  # when the last byte moved
        self._begun: float | None = None  # when the answer that is read began
        self._answer = ANSWER  # seconds until an answer begins
        self._received = 0
        self._ended = False  # the other side said that nothing more comes
        self._exchanges = 0

    def exchange(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: Body = (),
        length: int | None = None,
        into: BinaryIO | None = None,
        answer: float | None = None,
    ) -> Answer:
        """Send a request and return its answer.

        Args:
            method: of the request.
            path: below the address, from /api/v1 on.
            headers: beside the usual ones.
            body: blocks, `length` bytes together.
            length: None: no body.
            into: where the body of a good answer goes instead; what came of a cut one is there too.
            answer: seconds until the answer begins, once all was sent; None: a question is answered
                at once, anything else within `ANSWER`.

        Raises:
            LineLost: no connection, no byte for a while, or it broke. Whether the request arrived
                is not known.
            LineIntercepted: somebody else answers; nothing was sent to him.
            CertificateUnusable: the service does not take our certificate.
            Stopped: this run ends.
        """
        try:
            sock = self._connected()
            self._send(sock, self._head(method, path, headers, length), answers=False)
            early = False
            if length is not None:
                early = not self._send_body(sock, body)
            quiet = STALL if method in ("GET", "HEAD") else ANSWER
            found, ends = self._read(sock, method, into, quiet if answer is None else answer)
            self._exchanges += 1
            if ends or early:
                self.close()
            return found
        except http.client.HTTPException as error:
            self.close()
            raise LineLost(f"{self._far.address.host}: its answer was cut or is no HTTP") from error
        except OSError as error:
            self.close()
            if _about_certificate(error):  # said after the handshake, with the first answer
                raise CertificateUnusable(
                    f"{self._far.address.host} does not take the certificate that this computer "
                    f"shows ({_words(error)}); ask whoever runs the service for another"
                ) from error
            raise LineLost(f"{self._far.address.host}: {_why(error)}") from error
        except BaseException:
            self.close()  # half an exchange: nothing else may follow on it
            raise

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _connected(self) -> socket.socket:
        if self._sock is not None and _readable(self._sock):
            self.close()  # the other side ended it meanwhile
        if self._sock is None:
            self._exchanges = 0
            self._sock = self._connect()
        self._moved = time.monotonic()
        return self._sock

    def _connect(self) -> socket.socket:
        address, proxy = self._far.address, self._far.proxy
        place = (address.host, address.port) if proxy is None else (proxy.host, proxy.port)
        sock = socket.create_connection(place, CONNECT)
        try:
            _settle(sock)
            if address.scheme == "http":
                _check_loopback(sock, address)
            elif proxy is not None:
                sock.settimeout(CONNECT)
                proxy.tunnel(sock, address.host, address.port)
            sock.setblocking(False)
            if self._context is not None:
                sock = self._encrypted(sock, self._context)
        except BaseException:
            sock.close()
            raise
        return sock

    def _encrypted(self, sock: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        """Agree on TLS and look at who is there."""
        host = self._far.address.host
        tls = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        try:
            end = time.monotonic() + CONNECT
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    self._wait(tls, end - time.monotonic())
                except ssl.SSLWantWriteError:
                    self._wait(tls, end - time.monotonic(), write=True)
            if self._far.pin is not None:
                check_pin(tls, self._far.pin, host)
        except ssl.SSLError as error:
            tls.close()
            raise explain_refusal(error, self._far.address) from error
        except BaseException:
            tls.close()
            raise
        return tls

    def _head(
        self, method: str, path: str, headers: Mapping[str, str], length: int | None
    ) -> bytes:
        address = self._far.address
        host = f"[{address.host}]" if ":" in address.host else address.host
        found = {
            "Host": f"{host}:{address.port}",
            "User-Agent": "evidence",
            "Accept-Encoding": "identity",
            **headers,
        }
        if length is not None:
            found["Content-Length"] = str(length)
        lines = "".join(f"{name}: {value}\r\n" for name, value in found.items())
        return f"{method} {address.base}{path} HTTP/1.1\r\n{lines}\r\n".encode("ascii")

    def _send_body(self, sock: socket.socket, body: Body) -> bool:
        """Send the body; return False if the service answered before its end."""
        try:
            for block in body:
                view = memoryview(block)
                while view:
                    part = view[: self._limiter.block]
                    self._limiter.take(len(part), self._pause)
                    self._moved = time.monotonic()
                    if not self._send(sock, part, answers=True):
                        return False
                    view = view[len(part) :]
        except (BrokenPipeError, ConnectionResetError):
            # It may have answered why, and closed: that is worth more than "reset".
            if not _readable(sock):
                raise
            return False
        return True

    def _send(self, sock: socket.socket, data: bytes | memoryview, *, answers: bool) -> bool:
        """Send all of it; with `answers`, return False as soon as an answer begins."""
        view = memoryview(data)
        while view:
            # After the handshake TLS sends tickets, which are no answer; one was read by now.
            if answers and (self._context is None or self._exchanges) and _readable(sock):
                return False
            try:
                sent = sock.send(view[:_STEP])
            except (ssl.SSLWantWriteError, BlockingIOError):
                self._wait(sock, self._left(STALL), write=True)
            except ssl.SSLWantReadError:
                self._wait(sock, self._left(STALL))
            else:
                view = view[sent:]
                self._moved = time.monotonic()
        return True

    def _read(
        self, sock: socket.socket, method: str, into: BinaryIO | None, quiet: float
    ) -> tuple[Answer, bool]:
        """Return the answer, and whether the connection ends with it."""
        self._begun, self._received, self._ended = None, 0, False
        self._moved = time.monotonic()
        self._answer = quiet
        response = http.client.HTTPResponse(_Source(self, sock), method=method)  # type: ignore[arg-type]
        response.begin()
        if self._ended:  # http.client takes a head that breaks off for a whole one
            raise http.client.IncompleteRead(b"")
        whole = response.length is not None or response.chunked
        headers = {name.lower(): value for name, value in response.getheaders()}
        body = b""
        if into is not None and response.status in (200, 201):
            while block := response.read(_STEP):
                _keep(into, block)
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
        else:
            body = self._whole(response)
        return Answer(response.status, headers, body, whole), response.will_close

    def _whole(self, response: http.client.HTTPResponse) -> bytes:
        if response.length is not None:
            if response.length > MAX_ANSWER:
                raise LineLost(f"{self._far.address.host}: its answer is too long")
            return response.read()
        body = response.read(MAX_ANSWER + 1)
        if len(body) > MAX_ANSWER:
            raise LineLost(f"{self._far.address.host}: its answer has no end")
        return body

    def receive(self, sock: socket.socket, buffer: memoryview) -> int:
        """Read what has come into the buffer, waiting as long as it is worth."""
        queued = _unsent(sock)
        while True:
            now = time.monotonic()
            if self._begun is not None and now - self._begun > ANSWER + self._received / DRIP:
                raise TimeoutError("its answer comes too slowly")
            try:
                count = sock.recv_into(buffer)
            except (ssl.SSLWantReadError, BlockingIOError):
                left = _unsent(sock)
                if left < queued:  # what was sent is still travelling
                    queued, self._moved = left, now
                quiet = STALL if queued or self._begun is not None else self._answer
                self._wait(sock, self._left(quiet))
            except ssl.SSLWantWriteError:
                self._wait(sock, self._left(STALL), write=True)
            else:
                self._moved = now
                self._begun = self._begun or now
                self._received += count
                self._ended = count == 0
                return count

    def _left(self, most: float) -> float:
        return self._moved + most - time.monotonic()

    def _wait(self, sock: socket.socket, left: float, *, write: bool = False) -> None:
        """Wait for the socket, a tick at most; `left` is how long it may stand still from here."""
        if left <= 0:
            raise TimeoutError("no byte moved for too long")
        if self._stop.is_set():
            raise Stopped
        tick = min(left, _TICK)
        select.select([] if write else [sock], [sock] if write else [], [], tick)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped


class _Source:
    """What http.client reads an answer from."""

    def __init__(self, wire: Wire, sock: socket.socket) -> None:
        self._wire, self._sock = wire, sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the file that http.client reads."""
        return io.BufferedReader(_Incoming(self._wire, self._sock), _STEP)


class _Incoming(io.RawIOBase):
    def __init__(self, wire: Wire, sock: socket.socket) -> None:
        self._wire, self._sock = wire, sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.receive(self._sock, memoryview(buffer))


def _keep(file: BinaryIO, block: bytes) -> None:
    try:
        file.write(block)
    except OSError as error:  # this computer's disk, and not the line
        raise DiskFull(f"the answer cannot be kept here: {error.strerror}") from error


def _settle(sock: socket.socket) -> None:
    """Let the kernel notice by itself when the far end is gone."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _check_loopback(sock: socket.socket, address: Address) -> None:
    """Refuse a name like localhost that leads elsewhere, on this very connection."""
    if not ipaddress.ip_address(sock.getpeername()[0]).is_loopback:
        raise LineIntercepted(
            f"{address.host} leads to another computer, and http is not encrypted; nothing was sent"
        )


def _readable(sock: socket.socket) -> bool:
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    return bool(select.select([sock], [], [], 0)[0])


def _unsent(sock: socket.socket) -> int:
    """Return how many bytes the kernel still holds because the far end has not taken them."""
    try:
        found: int = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    except OSError:
        return 0  # not told on this system: the longer limit holds
    return found


def _about_certificate(error: OSError) -> bool:
    reason = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    return "ALERT" in reason and any(word in reason for word in ("CERTIFICATE", "UNKNOWN_CA"))


def _words(error: OSError) -> str:
    return str(getattr(error, "reason", "")).rpartition("ALERT_")[2].replace("_", " ").lower()


def _why(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "its name is not known here; is there a network?"
    if isinstance(error, ConnectionRefusedError):
        return "nothing answers at this address"
    if isinstance(error, ssl.SSLError):
        return "the encrypted line broke"
    return error.strerror or str(error) or "no answer"

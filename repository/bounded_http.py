"""A urllib3 pool whose every exchange ends in bounded time, and that follows nobody elsewhere.

Time-outs of sockets begin anew with every byte, so a server that drips holds a reader for ever.
Here the sockets themselves keep the end of the whole: `within` sets it for the calling thread.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

GRACE = 60.0  # seconds that any exchange may take
SLOWEST = 256 << 10  # bytes a second below which a transfer is given up
_SILENCE = 60.0  # seconds without a byte

_local = threading.local()


@contextmanager
def within(size: int = 0) -> Iterator[None]:
    """Bound what this thread sends and receives, for a transfer of `size` bytes.

    TimeoutError comes out of the socket when the time is over.
    """
    before = getattr(_local, "end", None)
    _local.end = time.monotonic() + GRACE + size / SLOWEST
    try:
        yield
    finally:
        _local.end = before


def pool(*, secure: bool, ca_file: Path | None = None) -> urllib3.PoolManager:
    """Return a pool of connections: no redirects, no proxies, one more try after a 502 to 504.

    Args:
        secure: TLS with verified certificates.
        ca_file: PEM file of the authorities to trust instead of the system's.
    """
    keywords: dict[str, Any] = {}
    if secure:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = _TimedTLS
        keywords["ssl_context"] = context
    made = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=5.0, read=_SILENCE),
        retries=urllib3.Retry(
            total=1, redirect=False, backoff_factor=0.2, status_forcelist=(502, 503, 504)
        ),
        maxsize=16,
        **keywords,
    )
    made.pool_classes_by_scheme = {"http": _TimedPool, "https": HTTPSConnectionPool}
    return made


def _left(most: float) -> float:
    end = getattr(_local, "end", None)
    if end is None:
        return most
    left: float = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("it sends too slowly: no whole answer in time")
    return min(left, most)


class _Timed:
    """Keeps the end of the exchange at every call on the socket."""

    def recv_into(self, *args: Any, **more: Any) -> int:
        """Receive, not beyond the end."""
        self.settimeout(_left(_SILENCE))  # type: ignore[attr-defined]
        got: int = super().recv_into(*args, **more)  # type: ignore[misc]
        return got

    def sendall(self, *args: Any, **more: Any) -> None:
        """Send everything, not beyond the end."""
        self.settimeout(_left(_SILENCE * 100))  # type: ignore[attr-defined]
        super().sendall(*args, **more)  # type: ignore[misc]


class _TimedSocket(_Timed, socket.socket):
    """A plain connection."""


class _TimedTLS(_Timed, ssl.SSLSocket):
    """A TLS connection."""


class _TimedConnection(HTTPConnection):
    """Connects as urllib3 does, with a socket of ours."""

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        timeout = made.gettimeout()
        timed = _TimedSocket(made.family, made.type, made.proto, fileno=made.detach())
        timed.settimeout(timeout)
        return timed


class _TimedPool(HTTPConnectionPool):
    """Connections that keep the end."""

    ConnectionCls = _TimedConnection

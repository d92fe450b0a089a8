"""Stores that lie: a proxy before a real S3 server, and a wrapper around any store."""

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from repository.errors import StoreUnavailable
from repository.stores import ObjectStore

EMPTY_LIST = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>any</Name>
<IsTruncated>false</IsTruncated>
</ListVersionsResult>"""


class Proxy:
    """Passes requests on to a server and does to them what `mode` says; `calls` counts them.

    Modes: honest; flip, cut, extra (bytes of objects read); error-after (stored, and answered
    500); lose (acknowledged, and not stored); no-lock (locks are acknowledged, and not set);
    false-lock (the same, and read back as if they were); drip; down; slow-clock; skewed (requests
    are refused because the clocks differ); stale-list (lists are empty: older than anything in
    them); wrong-etag.
    """

    def __init__(self, target: str, tls: tuple[Path, Path] | None = None) -> None:
        self.target = urlsplit(target).netloc
        self.mode = "honest"
        self.calls = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                return

            def handle_any(self) -> None:
                proxy.calls += 1
                proxy.answer(self)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        mode, method = self.mode, request.command
        query = urlsplit(request.path).query
        is_object = urlsplit(request.path).path.count("/") > 1
        locking = method == "PUT" and query.startswith(("retention", "legal-hold"))
        writing = is_object and not locking and method in ("PUT", "POST") and "uploads" not in query
        if mode == "down":
            request.close_connection = True
            return
        if mode == "skewed":
            said = b"<Error><Code>RequestTimeTooSkewed</Code></Error>"
            self.reply(request, 403, {"Content-Type": "application/xml"}, said)
            return
        if mode in ("no-lock", "false-lock") and locking:
            self.reply(request, 200, {}, b"")
            return
        if mode == "lose" and method == "PUT" and writing and "partNumber" not in query:
            found = {"ETag": '"x"', "x-amz-version-id": "lost"}
            self.reply(request, 200, found, b"")
            return
        if mode == "stale-list" and method == "GET" and not is_object and "location" not in query:
            self.reply(request, 200, {"Content-Type": "application/xml"}, EMPTY_LIST)
            return
        status, headers, data = self.forward(request, body)
        if mode == "wrong-etag" and "ETag" in headers:
            headers["ETag"] = f'"{"0" * 32}"'
        reading = method == "GET" and is_object and status in (200, 206) and "?" in request.path
        if mode == "error-after" and writing and status == 200:
            status, headers, data = 500, {}, b"<Error><Code>InternalError</Code></Error>"
        elif mode == "false-lock" and method == "HEAD":
            headers["x-amz-object-lock-mode"] = "COMPLIANCE"
            headers["x-amz-object-lock-retain-until-date"] = "2199-01-01T00:00:00.000000000Z"
            headers["x-amz-object-lock-legal-hold"] = "ON"
        elif mode == "slow-clock" and "Date" in headers:
            headers["Date"] = "Sat, 01 Jan 2000 00:00:00 GMT"
        elif reading and data and mode == "flip":
            data = data[:-1] + bytes([data[-1] ^ 1])
        elif reading and data and mode == "extra":
            data += b"more"
        elif reading and data and mode == "cut":
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data[: len(data) // 2])
            request.close_connection = True
            return
        self.reply(request, status, headers, data, drip=mode == "drip" and reading)

    def forward(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        line = http.client.HTTPConnection(self.target, timeout=60)
        headers = {k: v for k, v in request.headers.items() if k.lower() != "connection"}
        line.request(request.command, request.path, body, headers)
        found = line.getresponse()
        data = found.read()
        kept = {
            name: value
            for name, value in found.getheaders()
            if name.lower() not in ("content-length", "connection", "transfer-encoding")
        }
        if request.command == "HEAD":
            kept["Content-Length"] = found.getheader("Content-Length") or "0"
        line.close()
        return found.status, kept, data

    @staticmethod
    def reply(
        request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: bytes,
        *, drip: bool = False,
    ) -> None:  # fmt: skip
        request.send_response_only(status)
        for name, value in headers.items():
            request.send_header(name, value)
        if "Content-Length" not in headers:
            request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if not drip:
            request.wfile.write(data)
            return
        try:
            for position in range(len(data)):
                request.wfile.write(data[position : position + 1])
                request.wfile.flush()
                time.sleep(0.05)
        except OSError:
            request.close_connection = True


@contextmanager
def proxied(target: str, *, tls: tuple[Path, Path] | None = None) -> Iterator[Proxy]:
    """Yield a proxy before a server, itself over TLS with a certificate and its key."""
    proxy = Proxy(target, tls)
    try:
        yield proxy
    finally:
        proxy.close()


class FailsAt:
    """Wraps a store: its n-th operation fails, before its effect or after it."""

    def __init__(self, store: ObjectStore, n: int, *, after: bool) -> None:
        self._store, self._n, self._after = store, n, after
        self.calls = 0
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found) or name.startswith("_"):
            return found

        def call(*args: Any, **more: Any) -> Any:
            self.calls += 1
            if self.calls != self._n:
                return found(*args, **more)
            self.failed = True
            if self._after:
                result = found(*args, **more)
                if hasattr(result, "close"):
                    result.close()
            raise StoreUnavailable(f"operation {self._n} ({name}) failed, as it was told to")

        return call


def counting(store: ObjectStore, act: Callable[[FailsAt], None]) -> int:
    """Return how many operations an act makes on a store that never fails."""
    counter = FailsAt(store, 0, after=False)
    act(counter)
    return counter.calls

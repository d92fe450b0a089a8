"""One HTTP exchange with a configured host: bounded in time and size, no redirects, no proxies.

Witnesses, time-stamping authorities and those who say what was revoked are asked with it. Its
deadline is for the whole exchange: a server that sends a byte now and then holds nobody.
"""

import http.client
import socket
import ssl
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

from custody.errors import HostUnavailable

MAX_ANSWER = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, content type without parameters, and body."""

    status: int
    content_type: str
    body: bytes


def post(url: str, body: bytes, *, content_type: str, timeout: float) -> Answer:
    """Send bytes and return what is answered.

    Args:
        url: an http or https address.
        body: what is sent.
        content_type: of the body.
        timeout: seconds for the whole exchange.

    Raises:
        HostUnavailable: no connection, no whole answer in time, or one of more than 64 KiB.
    """
    return _exchange("POST", url, body, {"Content-Type": content_type}, MAX_ANSWER, timeout)


def get(url: str, *, limit: int, timeout: float) -> Answer:
    """Fetch what stands at an address.

    Args:
        url: an http or https address.
        limit: bytes that it may have.
        timeout: seconds for the whole exchange.

    Raises:
        HostUnavailable: no connection, no whole answer in time, or a longer one.
    """
    return _exchange("GET", url, None, {}, limit, timeout)


def _exchange(
    method: str, url: str, body: bytes | None, headers: dict[str, str], limit: int, timeout: float
) -> Answer:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise HostUnavailable(f"{url} has no valid port") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise HostUnavailable(f"{url} is no http or https address")
    connection = _connection(parts.scheme, parts.hostname, port, timeout)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # Time-outs of sockets begin anew with every byte: the end of the whole is kept from outside.
    expired = threading.Event()
    alarm = threading.Timer(timeout, _cut, [connection, expired])
    alarm.daemon = True
    alarm.start()
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found = response.read(limit + 1)
        kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        short = response.length is not None and response.length > 0 and len(found) <= limit
    except (OSError, http.client.HTTPException, ValueError) as error:
        said = str(error) if isinstance(error, OSError) else "its answer is not HTTP"
        said = "no whole answer in time" if expired.is_set() else said
        raise HostUnavailable(f"{parts.hostname}: {said or type(error).__name__}") from error
    finally:
        alarm.cancel()
        connection.close()
    if short:
        raise HostUnavailable(f"{parts.hostname}: the answer was cut")
    if len(found) > limit:
        raise HostUnavailable(f"{parts.hostname}: the answer is longer than {limit >> 10} KiB")
    return Answer(response.status, kind, found)


def _connection(
    scheme: str, host: str, port: int | None, timeout: float
) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    return http.client.HTTPConnection(host, port, timeout=timeout)


def _cut(connection: http.client.HTTPConnection, expired: threading.Event) -> None:
    expired.set()
    held = connection.sock
    if held is not None:
        try:
            held.shutdown(socket.SHUT_RDWR)
        except OSError:
            held.close()  # not connected any more

"""A proxy that was named on purpose: it is asked for a tunnel and sees nothing of what passes."""

import base64
import re
import socket
import time
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from api.errors import LineLost
from repository.errors import BadRequest

_MAX_HEAD = 16 << 10
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that makes tunnels (CONNECT)."""

    host: str
    port: int
    login: str | None = None  # user:password

    @classmethod
    def parse(cls, text: str) -> "Proxy":
        """Read `http://[user:password@]host:port`.

        Raises:
            BadRequest: anything else.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise BadRequest("a proxy is http://host:port") from error
        if parts.scheme != "http" or not parts.hostname or not port:
            raise BadRequest("a proxy is http://host:port")
        login = None
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return cls(parts.hostname, port, login)

    def tunnel(self, sock: socket.socket, host: str, port: int) -> None:
        """Ask for a tunnel on a connection to the proxy; TLS follows on the same connection.

        Raises:
            LineLost: the proxy does not make one.
        """
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n"
        if self.login is not None:
            encoded = base64.b64encode(self.login.encode()).decode()
            head += f"Proxy-Authorization: Basic {encoded}\r\n"
        sock.sendall(f"{head}\r\n".encode())
        answer = b""
        end = time.monotonic() + _PATIENCE
        # A byte at a time: what follows the head belongs to TLS.
        while not answer.endswith(b"\r\n\r\n"):
            block = sock.recv(1)
            answer += block
            if not block or len(answer) > _MAX_HEAD or time.monotonic() > end:
                raise LineLost(f"the proxy {self.host} does not answer as a proxy")
        match = re.match(rb"HTTP/1\.[01] ([0-9]{3})", answer)
        if match is None or match[1] != b"200":
            status = match[1].decode() if match else "?"
            raise LineLost(f"the proxy {self.host} makes no tunnel to {place}: it answers {status}")

"""How often one caller may ask: an allowance for each token and each address, in bounded memory.

Whoever asks too often gets 429 with `Retry-After`; every answer says what is left
(draft-ietf-httpapi-ratelimit-headers). Each process of the service counts for itself.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from threading import Lock

from flask import Flask, Response, g, request

from api.errors import TooManyRequests
from config.settings import Settings

BURST_SECONDS = 10  # of the rate may be asked at once
MOST = 20_000  # callers remembered; the one that asked longest ago is forgotten first
SIGN_IN_COST = 20  # requests that a refused sign-in counts for: each of them is an entry
FREE = frozenset({"healthz", "readyz"})


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of an allowance; `wait` is 0 where the request is within it."""

    name: str
    burst: int
    remaining: int
    reset: int  # seconds until all of it is there again
    wait: float


class Allowance:
    """Allowances of many callers, by the generic cell rate algorithm: one number for each."""

    def __init__(
        self, name: str, rate: float, *, clock: Callable[[], float] = time.monotonic,
        most: int = MOST,
    ) -> None:  # fmt: skip
        """Prepare; nobody has asked yet.

        Args:
            name: of the policy, in headers.
            rate: requests in a second, over time.
            clock: seconds that never go back.
            most: callers remembered.
        """
        self.name = name
        self.burst = max(1, int(rate * BURST_SECONDS))
        self._each = 1 / rate
        self._clock = clock
        self._most = most
        self._full: OrderedDict[bytes, float] = OrderedDict()  # when all of it is there again
        self._lock = Lock()

    def take(self, caller: bytes, cost: int = 1) -> Left:
        """Count a request against a caller's allowance, if it is within it.

        A request that is refused does not count: to go on asking makes nobody wait longer.
        """
        now, whole = self._clock(), self.burst * self._each
        with self._lock:
            full = max(self._full.pop(caller, now), now)
            wait = full + cost * self._each - (now + whole)
            if wait <= 1e-9:
                full, wait = full + cost * self._each, 0.0
            self._full[caller] = full
            while len(self._full) > self._most:
                self._full.popitem(last=False)
        remaining = max(0, int((now + whole - full) / self._each + 1e-6))
        return Left(self.name, self.burst, remaining, math.ceil(full - now), wait)

    def charge(self, caller: bytes, cost: int) -> None:
        """Count something against an allowance, also where nothing is left of it."""
        now, whole = self._clock(), self.burst * self._each
        with self._lock:
            full = max(self._full.pop(caller, now), now) + cost * self._each
            self._full[caller] = min(full, now + whole)

    def __len__(self) -> int:
        return len(self._full)


def install(app: Flask, settings: Settings) -> None:
    """Have the application count requests, as the settings say."""
    rates = {"token": settings.rate_per_token, "address": settings.rate_per_address}
    allowances = {name: Allowance(name, rate) for name, rate in rates.items() if rate > 0}

    def before() -> None:
        if request.endpoint in FREE:
            return
        g.left = []
        for name, allowance in allowances.items():
            key = _token() if name == "token" else _address()
            if key is None:
                continue
            left = allowance.take(key)
            g.left.append(left)
            if left.wait:
                raise TooManyRequests(
                    f"more requests came with this {name} than it is allowed; ask again in "
                    f"{math.ceil(left.wait)} s",
                    retry_after=math.ceil(left.wait),
                )

    def after(response: Response) -> Response:
        if response.status_code == 401 and "address" in allowances:
            allowances["address"].charge(_address(), SIGN_IN_COST)
        found: list[Left] = g.get("left", [])
        if found:
            least = min(found, key=lambda one: one.remaining / one.burst)
            response.headers["RateLimit-Policy"] = ", ".join(
                f'"{one.name}";q={one.burst};w={BURST_SECONDS}' for one in found
            )
            response.headers["RateLimit"] = f'"{least.name}";r={least.remaining};t={least.reset}'
        return response

    app.before_request(before)
    app.after_request(after)


def _token() -> bytes | None:
    """Return what a token is remembered by; not its id, which somebody else might use up."""
    presented = request.headers.get("Authorization") or request.headers.get("Cookie")
    return sha256(presented.encode("utf-8", "replace")).digest() if presented else None


def _address() -> bytes:
    """Return what an address is remembered by: of IPv6 the network, which one customer has."""
    try:
        found = ip_address(request.remote_addr or "")
    except ValueError:
        return b"?"
    return found.packed if found.version == 4 else found.packed[:8]

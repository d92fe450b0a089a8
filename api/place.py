"""Where browsers reach the service: its origin, its cookies, and which requests come from there.

The address is a setting (`public_url`). Without it sign-in works on this machine alone: what a
request says of the host is believed only where it says loopback.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Request, Response

from config.settings import Settings
from repository.errors import BadRequest

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SESSION = "evidence-session"
PENDING = "evidence-pending"  # a sign-in that has begun


@dataclass(frozen=True, slots=True)
class Place:
    """The origin of the service as browsers see it."""

    origin: str  # scheme://host[:port]
    host: str

    @property
    def secure(self) -> bool:
        """Return whether lines to it are encrypted."""
        return self.origin.startswith("https:")

    def cookie(self, name: str) -> str:
        """Return a cookie's name: under TLS no other host can have set it."""
        return f"__Host-{name}" if self.secure else name

    def put(self, response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
        """Set a cookie that no script reads and no other site's page sends.

        The pending one is sent where a provider's page leads back to us.
        """
        response.set_cookie(
            self.cookie(name), value, max_age=seconds, path="/", secure=self.secure, httponly=True,
            samesite="Lax" if name == PENDING else "Strict",
        )  # fmt: skip

    def take(self, response: Response, name: str) -> None:
        """Have the browser forget a cookie."""
        response.delete_cookie(
            self.cookie(name), path="/", secure=self.secure, httponly=True,
            samesite="Lax" if name == PENDING else "Strict",
        )  # fmt: skip


def place_of(settings: Settings, request: Request) -> Place:
    """Return where browsers reach the service.

    Raises:
        BadRequest: it is not set, and the request did not come to this machine's own address.
    """
    url = settings.public_url or f"{request.scheme}://{request.host}"
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host not in LOOPBACK and (not settings.public_url or parts.scheme != "https"):
        raise BadRequest(
            "people can sign in once the setting public_url says at which https address browsers "
            "reach this service"
        )
    return Place(f"{parts.scheme}://{parts.netloc}".lower(), host)


def cookie(settings: Settings, request: Request, name: str) -> str | None:
    """Return what the browser presents, if it is a cookie of ours."""
    try:
        place = place_of(settings, request)
    except BadRequest:
        return None  # where nobody can sign in there is no cookie of ours
    return request.cookies.get(place.cookie(name)) or None


def from_own_page(settings: Settings, request: Request) -> bool:
    """Say whether a page of ours sent a request that rests on a cookie (docs/decisions/0030).

    Every browser in use says so itself (`Sec-Fetch-Site`); of older ones `Origin` is compared.
    What changes nothing may come without either; SameSite keeps other sites' away from it.
    """
    said = request.headers.get("Sec-Fetch-Site")
    if said is not None:
        return said == "same-origin" or (said == "none" and request.method in ("GET", "HEAD"))
    origin = request.headers.get("Origin")
    if origin is None:
        return request.method in ("GET", "HEAD")
    return origin == place_of(settings, request).origin

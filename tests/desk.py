"""Somebody who signs in as a person does, with a passkey, and asks in that session over HTTP.

`Desks` are the people of one house before an application in this process; `Line` is a browser's
line to a real service.
"""

import json
import ssl
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPSConnection
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote

import pytest

from api.app import create_app
from tests.authenticator import Authenticator
from tests.house import House
from tests.service import Service, unverified

V1 = "/api/v1"
HERE = "http://localhost"


class Clock:
    """A house's clock, which a test moves on."""

    def __init__(self, house: House) -> None:
        self._clock = house.repo.clock
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return self._clock() + self.ahead


@dataclass
class Desk:
    """A person before a browser; `client` is a test client of Flask's, or a `Line`."""

    house: House
    client: Any
    name: str
    key: Authenticator = field(default_factory=Authenticator)
    origin: str = HERE

    def register(self) -> "Desk":
        """Register the passkey, as whoever has an invitation does."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("EVIDENCE_PUBLIC_URL", "https://evidence.example/")
            said = self.house.evidence("person", "invite", self.name)
        assert said.code == 0, said.err
        asked = {"invitation": said.lines[0]["invitation"]}
        options = self.ask("POST", "/passkeys/options", 200, json=asked)["options"]
        made = {"credential": self.key.make(options, origin=self.origin), "label": "key"}
        self.ask("POST", "/passkeys/registration", 201, json=made)
        return self

    def sign_in(self) -> "Desk":
        """Sign in with the passkey; within a session that is the step-up."""
        options = self.ask("POST", "/session/passkey/options", 200)["options"]
        proved = {"credential": self.key.use(options, origin=self.origin)}
        begun = self.ask("POST", "/session/passkey", 201, json=proved)
        assert (begun["person"]["name"], begun["session"]["way"]) == (self.name, "passkey")
        return self

    def ask(self, method: str, path: str, want: int, purpose: str = "", **more: Any) -> Any:
        """Ask, see that the answer has this status, and return its JSON (or its bytes)."""
        headers = {"Origin": self.origin, **more.pop("headers", {})}
        if purpose:
            headers["Evidence-Purpose"] = quote(purpose)
        answer = self.client.open(f"{V1}{path}", method=method, headers=headers, **more)
        assert answer.status_code == want, (method, path, answer.status_code, answer.text)
        found = answer.json if answer.is_json else answer.data
        answer.close()
        return found


class Desks:
    """The people of a house: each registers a passkey once, and has a browser for each session."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.clock = Clock(house)  # of the application; entries keep their own
        self.app = create_app(replace(house.repo, clock=self.clock))
        self._known: dict[str, Authenticator] = {}

    def register(self, *names: str) -> None:
        """Have people register their passkeys."""
        for name in names:
            self._known[name] = Desk(self.house, self.app.test_client(), name).register().key

    def __call__(self, name: str) -> Desk:
        """Sign somebody in who has a passkey."""
        return Desk(self.house, self.app.test_client(), name, self._known[name]).sign_in()


@dataclass
class Got:
    """An answer of a real service."""

    status_code: int
    headers: dict[str, str]
    data: bytes

    @property
    def is_json(self) -> bool:
        return self.headers.get("content-type", "").endswith("json")

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def text(self) -> str:
        return self.data[:500].decode(errors="replace")

    def close(self) -> None:
        """All of it was read."""


class Line:
    """A browser's line to a real service: over sockets and TLS, with its cookies."""

    def __init__(self, service: Service) -> None:
        self.service = service
        scheme = "https" if service.tls else "http"
        self.origin = f"{scheme}://localhost:{service.port}"
        self._cookies: SimpleCookie = SimpleCookie()

    def open(
        self, path: str, *, method: str, headers: dict[str, str], json: Any = None,
        data: bytes | None = None,
    ) -> Got:  # fmt: skip
        """Ask over a connection of its own."""
        sent = {"Host": self.origin.partition("//")[2], **headers}
        if self._cookies:
            sent["Cookie"] = self._cookies.output(attrs=[], header="", sep=";").strip()
        if json is not None:
            sent["Content-Type"], data = "application/json", _bytes(json)
        line = self._connection()
        try:
            line.request(method, path, body=data, headers=sent)
            answer = line.getresponse()
            body = answer.read()
        finally:
            line.close()
        for one in answer.headers.get_all("Set-Cookie") or ():
            self._cookies.load(one)
        return Got(answer.status, {k.lower(): v for k, v in answer.headers.items()}, body)

    def _connection(self) -> HTTPConnection:
        place = self.service.place
        if self.service.tls:
            context: ssl.SSLContext = unverified()
            return HTTPSConnection(*place, timeout=300, context=context)
        return HTTPConnection(*place, timeout=300)


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()

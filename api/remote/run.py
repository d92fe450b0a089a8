"""One run of sending: what it was asked for, whom it tells, and the connections it makes."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from api.remote.invitation import Invitation
from api.remote.meter import Display, Meter
from api.remote.patience import Line, patiently
from api.remote.proxy import Proxy
from api.remote.rate import Limiter
from api.remote.service import Service
from api.remote.wire import Far, Stopped, Wire
from api.told import Stop
from custody.canonical import dumps
from custody.errors import EvidenceError
from ingest.sources import Thing, named


class Gathered(Protocol):
    """What was found to send, and what came with it."""

    @property
    def things(self) -> Sequence[Thing]:
        """Return what becomes one exhibit each."""

    @property
    def manifest(self) -> dict[str, Any] | None:
        """Return what is said of the list that declares something of each file, if there is one."""

    @property
    def unmatched(self) -> int:
        """Return how many rows of that list fit no file."""


Gather = Callable[[frozenset[tuple[bytes, ...]]], Gathered]
"""Finds what is to be sent, given the things (by the paths of their parts) joined before."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    paths: Sequence[str]  # as they were named
    gather: Gather
    case: str
    said: dict[str, Any]  # purpose, family and claims, as POST /submissions takes them
    invitation: Invitation
    submission: str | None = None
    state: Path | None = None
    receipts: Path | None = None
    rate: float | None = None
    patience: float = 12 * 3600.0
    connections: int = 4
    proxy: Proxy | None = None
    without_missing: str | None = None
    certificate: tuple[Path, Path] | None = None  # of this client, and its key


@dataclass(frozen=True, slots=True)
class Told:
    """How people and programs are told."""

    say: Callable[[str], None]
    result: Callable[[str, bytes, str, dict[str, Any]], None]  # submission, path, status, found
    terminal: bool = False


@dataclass
class Run:
    """One run of the command: what its steps share."""

    wanted: Wanted
    told: Told
    stop: Stop
    meter: Meter
    display: Display
    outcomes: list[int | EvidenceError] = field(default_factory=list)
    acknowledged: str | None = None  # the digest in the receipt of the list, for such a token

    def __post_init__(self) -> None:
        wanted = self.wanted
        invited = wanted.invitation
        self.far = Far(invited.address, invited.pin, wanted.proxy, wanted.certificate)
        self.limiter = Limiter(wanted.rate)
        self.line = Line(self.say, limit=wanted.patience, wait=self.wait)
        self.lock = threading.Lock()

    def fingerprint(self) -> str:
        """Return what makes a command the same command."""
        wanted = self.wanted
        log = wanted.invitation.log
        where = log.fingerprint if log else str(wanted.invitation.address)
        sources = [path.hex() for path in named(wanted.paths)]
        said = [where, wanted.case, wanted.said, wanted.submission, sources]
        return sha256(dumps(said)).hexdigest()[:32]

    def connect(self) -> Service:
        """Return a connection for one thread."""
        address = self.far.address
        wire = Wire(self.far, self.limiter, self.stop)
        token = self.wanted.invitation.token
        return Service(wire, token, f"{address.host}:{address.port}", lambda: self.acknowledged)

    def prove(self, service: Service, *, patient: bool) -> None:
        """Look at who answers before anything is told (1), and ask for the case (2).

        A first run is told at once that nothing answers; a later one waits for the line.
        """
        invitation = self.wanted.invitation

        def proved() -> None:
            service.prove(invitation.log)

        if patient:
            patiently(self.line, proved)
        else:
            proved()
        if invitation.pin is None and invitation.address.scheme == "https":
            self.say(
                f"no key is pinned: the authorities of this computer vouch for "
                f"{invitation.address.host}; an invitation would name its key"
            )
        if invitation.submission is None:  # such a token may not ask
            patiently(self.line, lambda: service.case(self.wanted.case))

    def say(self, text: str) -> None:
        """Tell people something."""
        self.display.write(lambda: self.told.say(text))

    def result(self, submission: str, path: bytes, status: str, found: dict[str, Any]) -> None:
        """Give out what became of a file."""
        self.display.write(lambda: self.told.result(submission, path, status, found))
        self.outcomes.append(1 if status == "quarantined" or found.get("error") else 0)

    def failed(self, submission: str, path: bytes, error: EvidenceError) -> None:
        """Give out that a file was not taken in."""
        with self.lock:
            found = {"error": error.code, "words": str(error)}
            self.display.write(lambda: self.told.result(submission, path, "failed", found))
            self.outcomes.append(error)

    def wait(self, seconds: float) -> None:
        """Wait, unless this run ends."""
        if self.stop.wait(seconds):
            raise Stopped

"""What tests of uploads share: a submission, its list, bytes as a request brings them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from ingest import uploads
from ingest.announce import announce
from ingest.uploads import Blocks, Said
from repository.models import Announced, Case, Submission, Upload
from repository.naming import recorded_name
from repository.purpose import parse
from repository.submissions import Declaration, open_submission
from tests.house import House


class Time:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 1, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def passes(self, **delta: float) -> None:
        self.at += timedelta(**delta)


def digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


def comes(*blocks: bytes) -> Blocks:
    """Return bytes as a request brings them; an empty block is a pause."""
    return lambda _give_way: iter(blocks)


@dataclass
class Desk:
    """An investigator who hands in to one submission."""

    house: House
    case: Case
    submission: Submission

    @property
    def repo(self):
        return self.house.repo

    @property
    def actor(self):
        return self.house.caller("investigator").actor("investigator")

    def begin(self, kind: str = "whole", **said: Any) -> Upload:
        place = (None, None) if kind == "partial" else (self.case, self.submission)
        return uploads.begin(self.repo, self.actor, *place, Said(kind, **said))

    def append(self, upload: Upload, at: int, *blocks: bytes, **more: Any) -> Upload:
        return uploads.append(self.repo, upload.id, at, comes(*blocks), **more)

    def announce(self, files: Iterable[tuple[bytes, bytes]], things: Any = None) -> None:
        """Send a list: pairs of a path and its bytes; `things` has (thing, part) by n."""
        lines = []
        for n, (path, data) in enumerate(files, 1):
            thing, part = (things or {}).get(n, (n, 1))
            line = {
                "n": n, "path": recorded_name(path), "size": len(data),
                "digests": {"sha256": sha256(data).hexdigest()}, "thing": thing, "part": part,
            }  # fmt: skip
            lines.append(json.dumps(line).encode() + b"\n")
        caller = self.house.caller("investigator")
        announce(self.repo, caller, self.submission.id, [b"".join(lines)])

    def row(self, upload: Upload) -> Upload:
        with self.repo.database.reading() as session:
            return session.get_one(Upload, upload.id)

    def announced(self) -> list[Announced]:
        from sqlalchemy import select

        with self.repo.database.reading() as session:
            return list(session.scalars(select(Announced).order_by(Announced.n)))

    def staged(self) -> list[bytes]:
        """Return the bytes of every piece of an upload in the bucket `staging`."""
        folder = self.house.data / "store" / "staging" / "u"
        return [file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()]

    def content(self, number: str) -> bytes:
        from repository.retrieve import retrieve

        reading = retrieve(self.repo, self.house.caller("analyst"), number, purpose="analysis")
        return b"".join(reading)

    def registrations(self) -> int:
        return sum(e.fields["type"] == "registration" for e in self.house.entries())


def desk_of(house: House, clock: Time | None = None) -> Desk:
    if clock is not None:
        house.repo = replace(house.repo, clock=clock)
    actor = house.caller("investigator").actor("investigator")
    submission, _ = open_submission(
        house.repo, actor, house.case, Declaration(parse("investigation")), sources=[b"x"]
    )
    return Desk(house, house.case, submission)

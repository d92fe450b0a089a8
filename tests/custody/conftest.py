"""A ledger on SQLite with its own keys, clock and actors."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custody import tables
from custody.database import Database
from custody.entry import Act, Actor, Draft, ExhibitRef, uuid7
from custody.ledger import Ledger
from custody.signers import Signer, file

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that the test moves."""

    at: datetime = START

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


@dataclass
class Kept:
    """A ledger and what a test needs beside it."""

    ledger: Ledger
    database: Database
    wrapping_key: bytes
    actor: Actor
    exhibits: list[ExhibitRef]
    path: Path
    signer: Signer
    clock: Clock

    def draft(self, n: int = 0, **changes: object) -> Draft:
        values = {
            "type": Act.RETRIEVAL,
            "actor": self.actor,
            "outcome": "started",
            "exhibit": self.exhibits[n % len(self.exhibits)],
            "request_id": "r",
            "withheld": {"purpose": {"code": "analysis", "text": ""}, "case": "KRN"},
        }
        return Draft(**{**values, **changes})  # type: ignore[arg-type]


def make(folder: Path, name: str = "ledger", *, url: str | None = None) -> Kept:
    path = folder / f"{name}.db"
    database = Database(url or f"sqlite:///{path}", timeout=0.5)
    with database.writing() as session:
        connection = session.connection()
        tables.metadata.create_all(connection)
        for statement in tables.protect(database.dialect):
            connection.exec_driver_sql(statement.replace("%", "%%"))
    signer = file.create(folder / f"{name}.pem", name="evidence.invalid/test", passphrase=b"p")
    wrapping_key = os.urandom(32)
    clock = Clock()
    ledger = Ledger(database, signer, wrapping_key=wrapping_key, clock=clock, by="test 0")
    exhibits = [
        ExhibitRef(uuid7(START, os.urandom), f"KRN-{n:06d}", "sha256:" + "0" * 64, 5)
        for n in range(1, 4)
    ]
    actor = Actor(uuid7(START, os.urandom), "analyst", "token", "Ann", "Unit", "NL")
    return Kept(ledger, database, wrapping_key, actor, exhibits, path, signer, clock)


def connect(kept: Kept, **changes: Any) -> Kept:
    """Return the same ledger as another process would open it: connections and queue of its own."""
    database = Database(kept.database.engine.url, timeout=10)
    values = {"wrapping_key": kept.wrapping_key, "clock": kept.clock, "by": "test 0", **changes}
    ledger = Ledger(database, kept.signer, **values)
    return replace(kept, ledger=ledger, database=database)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    found = make(tmp_path)
    yield found
    found.database.close()


@pytest.fixture
def make_ledger(tmp_path: Path) -> Callable[[str], Kept]:
    return lambda name: make(tmp_path, name)

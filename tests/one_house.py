"""One house for all tests of a module, where none needs it fresh: making one takes a second."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from repository.people import new_token
from tests.house import House, make_house
from tests.postgres import fresh_database, shared_server


@dataclass
class OneHouse:
    """The house, and the URL of its database; empty: a file in its folder."""

    house: House
    url: str

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> House:
        """Let commands of this test find the database of the house."""
        if self.url:  # not the one that every test has of its own
            monkeypatch.setenv("EVIDENCE_DATABASE_URL", self.url)
        return self.house


@contextmanager
def one_house(factory: pytest.TempPathFactory) -> Iterator[OneHouse]:
    """Make a house in memory where the system can: for tests that are not about durability."""
    memory, url = Path("/dev/shm"), ""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        if os.environ.get("EVIDENCE_TEST_DATABASE") == "postgresql":
            url = stack.enter_context(fresh_database(shared_server()))
            patch.setenv("EVIDENCE_DATABASE_URL", url)
        where = factory.mktemp("house")
        if memory.is_dir() and os.access(memory, os.W_OK):
            where = Path(stack.enter_context(TemporaryDirectory(dir=memory)))
        found = make_house(where)
        yield OneHouse(found, url)
        found.repo.close()


def signed_in(house: House, name: str) -> dict[str, str]:
    """Return the headers with which a program of this person asks."""
    person = house.caller(name).person
    _, token = new_token(house.repo, house.custodian, person=person, expires_at=None)
    return {"Authorization": f"Bearer {token}"}

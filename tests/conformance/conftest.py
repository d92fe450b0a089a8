"""The real service, and people who hand in over plain sockets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from repository.models import Upload
from repository.people import find_person, new_token
from repository.retrieve import retrieve
from tests.house import House, make_house
from tests.service import Service, serving
from tests.wire import Tus


@dataclass
class Desk:
    """A repository, the service on it, and an investigator at its wire."""

    house: House
    service: Service
    tus: Tus

    def content(self, number: str) -> bytes:
        """Return what an exhibit gives back, verified."""
        reading = retrieve(
            self.house.repo, self.house.caller("analyst"), number, purpose="analysis"
        )
        return b"".join(reading)

    def row(self, location: str) -> Upload:
        """Return the row of an upload."""
        with self.house.repo.database.reading() as session:
            return session.get_one(Upload, location.rpartition("/")[2])

    def another(self, name: str) -> Tus:
        return Tus(self.service.place, token_of(self.house, name))


def token_of(house: House, name: str) -> str:
    with house.repo.database.reading() as session:
        person = find_person(session, name)
    return new_token(house.repo, house.custodian, person=person, expires_at=None)[1]


@contextmanager
def running_desk(
    folder: Path, *, environment: dict[str, str] | None = None, **settings: object
) -> Iterator[Desk]:
    """Run a service on a fresh repository until the end of the block."""
    house = make_house(folder, **settings)
    token = token_of(house, "investigator")
    try:
        with serving(house.data, log=folder / "log", **(environment or {})) as service:
            yield Desk(house, service, Tus(service.place, token))
    finally:
        house.repo.close()
    said = (folder / "log").read_text()
    assert "Traceback" not in said, said


@pytest.fixture(scope="package")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Return one service for all tests here that leave it running; idle, its worker looks about."""
    with running_desk(tmp_path_factory.mktemp("tus")) as found:
        yield found


@pytest.fixture
def tus(desk: Desk) -> Tus:
    return desk.tus

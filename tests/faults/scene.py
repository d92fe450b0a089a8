"""Where the fault runs happen: a repository, its service and worker, and the judging at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from config.settings import Settings
from ingest import pieces
from ingest.finish import finish
from repository import open_repository
from repository.people import find_person, new_token
from repository.reconcile import reconcile
from tests.faults.checker import Judged, folder_listing, judge
from tests.faults.load import Told
from tests.house import House, make_house
from tests.service import Running, Service, evidence

ROLES = ("investigator", "analyst")


@dataclass
class Scene:
    """A repository in a folder, the processes on it, and tokens of those who hand in and read."""

    folder: Path
    settings: Settings
    tokens: dict[str, str]
    service: Service
    worker: Running
    environment: dict[str, str]  # settings that are not in the data folder

    @property
    def url(self) -> str:
        return self.settings.database_url or f"sqlite:///{self.settings.data / 'evidence.db'}"

    @property
    def store(self) -> Path:
        """Return the folder that is the store."""
        url = self.settings.store_url
        return Path(url.removeprefix("file://")) if url else self.settings.data / "store"

    def stop(self) -> None:
        for one in (self.service, self.worker):
            one.kill()

    def verify(self) -> int:
        """Return the exit code of `evidence verify` on everything."""
        words = evidence(self.settings.data, "verify")
        done = Running(words, log=self.folder / "verify.log", **self.environment)
        return done.start().wait(600)

    def sweep(self) -> None:
        """Do what a worker does in its time: finish what is whole, then put on record the rest."""
        now = open_repository(self.settings)
        try:
            for state in ("closing", "arrived"):
                for name in _in_state(now, state):
                    finish(now, name)
            later = replace(now, clock=lambda: now.clock() + timedelta(days=30))
            pieces.sweep(later)
            reconcile(later)
        finally:
            now.close()

    def judged(self, told: Told) -> Judged:
        """Sweep, and compare everything with what was told."""
        self.stop()
        self.sweep()
        found = judge(self.url, folder_listing(self.store), told)
        code = self.verify()
        if code:
            found.add("wrong", f"evidence verify ended with {code}")
        return found


def _in_state(repo, state: str) -> list[str]:  # type: ignore[no-untyped-def]
    from sqlalchemy import select

    from repository.models import Upload

    with repo.database.reading() as session:
        return list(session.scalars(select(Upload.id).where(Upload.state == state)))


@contextmanager
def scene(folder: Path, **settings: object) -> Iterator[Scene]:
    """Yield a fresh repository whose service and worker do not run yet."""
    house = make_house(folder, **settings)
    tokens = {name: token_of(house, name) for name in ROLES}
    house.repo.close()
    environment = {f"EVIDENCE_{name.upper()}": str(value) for name, value in settings.items()}
    found = Scene(
        folder,
        house.repo.settings,
        tokens,
        Service(house.data, log=folder / "serve.log", **environment),
        Running(evidence(house.data, "worker"), log=folder / "worker.log", **environment),
        environment,
    )
    try:
        yield found
    finally:
        found.stop()


def token_of(house: House, name: str) -> str:
    with house.repo.database.reading() as session:
        person = find_person(session, name)
    return new_token(house.repo, house.custodian, person=person, expires_at=None)[1]

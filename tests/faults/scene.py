"""Where the fault runs happen: a repository, its service and worker, and the judging at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from config.settings import Settings
from ingest import completion, pieces, uploads
from ingest.finish import finish
from repository import Repository, open_repository
from repository.models import Upload
from repository.people import find_person, new_token
from repository.reconcile import reconcile
from tests.faults.checker import Judged, Listing, folder_listing, judge, judge_rest
from tests.faults.load import Told
from tests.house import House, make_house
from tests.service import Running, Service, evidence

ROLES = ("investigator", "analyst")
LATER = timedelta(days=70)  # by then whatever nobody went on with has expired


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
    def store(self) -> Path:
        """Return the folder that is the store."""
        url = self.settings.store_url
        return Path(url.removeprefix("file://")) if url else self.settings.data / "store"

    def stop(self) -> None:
        for one in (self.service, self.worker):
            one.kill()

    def judged(self, told: Told) -> Judged:
        """Do what workers do in their time, and compare everything with what was told."""
        self.stop()
        return judged(self.settings, told, lambda: folder_listing(self.store), self.environment)


def judged(
    settings: Settings, told: Told, listing: Callable[[], Listing], environment: dict[str, str]
) -> Judged:
    """Do what workers do in their time, and compare everything with what was told."""
    url = settings.database_url or f"sqlite:///{settings.data / 'evidence.db'}"
    repo = open_repository(settings)
    try:
        for name in _whole(repo):
            finish(repo, name)
        found = judge(url, listing(), told)
        later = replace(repo, clock=lambda: repo.clock() + LATER)
        while uploads.expire(later) or completion.expire(later) or pieces.sweep(later):
            continue
        reconcile(later)
        judge_rest(url, listing(), told, found)
    finally:
        repo.close()
    words = evidence(settings.data, "verify")
    log = settings.data.parent / "verify.log"
    code = Running(words, log=log, **environment).start().wait(600)
    if code:
        found.add("wrong", f"evidence verify ended with {code}: {log.read_text()[-500:]}")
    return found


def _whole(repo: Repository) -> list[str]:
    """Return the uploads all of whose bytes are here, and that nobody has finished."""
    query = select(Upload.id).where(Upload.state.in_(("closing", "arrived")))
    with repo.database.reading() as session:
        return list(session.scalars(query))


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

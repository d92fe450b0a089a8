"""A repository in a temporary folder with one person of each role, for all upper tests."""

import atexit
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from api.cli import main
from api.commands.context import login
from config.settings import Settings, load
from custody.entry import Actor, CustodyEntry
from repository import Repository, open_repository
from repository.authorise import Caller
from repository.cases import find_case, open_case
from repository.initialise import initialise
from repository.models import Case
from repository.people import find_person, grant, new_person
from tests.postgres import fresh_database, make_database, shared_server

CODE = "KRN"
ROLES = ("investigator", "analyst", "prosecutor")


@dataclass
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str
    lines: list[Any] = field(default_factory=list)


@dataclass
class House:
    """An open repository and shortcuts for tests."""

    repo: Repository
    data: Path

    def caller(self, name: str) -> Caller:
        with self.repo.database.reading() as session:
            return Caller(find_person(session, name), "named")

    def caller_of_login(self) -> Caller:
        """Return the first person, a custodian, who acts where nobody is named."""
        return self.caller(login())

    @property
    def custodian(self) -> Actor:
        """Return the first person as actor."""
        return self.caller_of_login().actor()

    @property
    def case(self) -> Case:
        """Return the case KRN."""
        with self.repo.database.reading() as session:
            found = find_case(session, CODE)
        assert found is not None
        return found

    def entries(self) -> list[CustodyEntry]:
        return list(self.repo.ledger.entries())

    def types(self) -> list[str]:
        return [f"{e.fields['type']}/{e.fields['outcome']}" for e in self.entries()]

    def last(self, kind: str) -> dict[str, Any]:
        """Return the fields of the newest entry of a type."""
        return [e.fields for e in self.entries() if e.fields["type"] == kind][-1]

    def evidence(self, *arguments: object, person: str | None = None) -> Said:
        """Run a command on this repository, with --json."""
        options = ["--data", str(self.data), "--json"]
        if person is not None:
            options += ["--as", person]
        with pytest.MonkeyPatch.context() as patch:
            if self.repo.settings.database_url:  # there may be several houses in one test
                patch.setenv("EVIDENCE_DATABASE_URL", self.repo.settings.database_url)
            return run(*options, *arguments)

    def ingest(
        self, *paths: object, person: str = "investigator", extract: bool = False, **options: str
    ) -> list[Any]:
        """Take files in; only where a test says so are they looked at, which takes a second."""
        words: list[object] = [
            w for name, value in options.items() for w in (f"--{name.replace('_', '-')}", value)
        ]
        words += [] if extract else ["--no-extract"]
        said = self.evidence("ingest", *paths, "--case", CODE, *words, person=person)
        assert said.code == 0, said.err
        return said.lines

    def stored_file(self, number: str) -> Path:
        """Return where the bytes of an exhibit are in the local store."""
        from repository.exhibits import find_exhibit, parts_of

        with self.repo.database.reading() as session:
            exhibit = find_exhibit(session, number)
            assert exhibit is not None
            stored = parts_of(session, [exhibit.id])[0].stored
        return self.data / "store" / stored["bucket"] / stored["key"]

    def plaintext(self, key: str, subject: str) -> bytes:
        """Return what an object of the bucket `evidence` holds, read without any check above."""
        from repository.keys import unwrap
        from repository.sealed import read_document

        stored = self.repo.store.find("evidence", key)
        assert stored is not None
        return read_document(self.repo.store, stored, key=unwrap(self.repo, subject))

    def flip(self, number: str, position: int = 0) -> None:
        """Change one bit of a stored object, as whoever runs the storage could."""
        file = self.stored_file(number)
        file.chmod(0o600)
        data = bytearray(file.read_bytes())
        data[position] ^= 0x01
        file.write_bytes(data)


def make_house(folder: Path, **settings: Any) -> House:
    """Make a repository with a case KRN and an investigator, an analyst and a prosecutor on it."""
    data = folder / "data"
    repo = initialise(_settings(data, **settings), login=login())
    house = House(repo, data)
    custodian = house.custodian
    case = open_case(repo, custodian, code=CODE, title="The bridge")
    open_case(repo, custodian, code="OTHER", title="Another case")
    for role in ROLES:
        person = new_person(repo, custodian, name=role, role=role, organisation="Unit")
        grant(repo, custodian, case=case, person=person, role=role)
    new_person(repo, custodian, name="stranger", role="analyst")
    return house


def new_case(house: House) -> str:
    """Open one more case, on which the people of the first have the same roles; return its code."""
    code = f"C{os.urandom(4).hex().upper()}"
    case = open_case(house.repo, house.custodian, code=code, title="Another bridge")
    with house.repo.database.reading() as session:
        people = {role: find_person(session, role) for role in ROLES}
    for role, person in people.items():
        grant(house.repo, house.custodian, case=case, person=person, role=role)
    return code


def open_house(folder: Path, **settings: Any) -> House:
    """Open the repository of a house that is there already."""
    data = folder / "data"
    return House(open_repository(_settings(data, **settings)), data)


def copied_house(folder: Path) -> House:
    """Return such a house with the usual settings, copied from one that this process made once.

    All of them have the same keys and the same beginning; `make_house` makes one unlike any other.
    On PostgreSQL the database of the test is a copy of `database_to_copy()` already.
    """
    shutil.copytree(_made_once()[0], folder / "data")
    return open_house(folder)


def database_to_copy() -> str:
    """Return the name of the PostgreSQL database of the house that is copied."""
    return _made_once()[1]


@cache
def _made_once() -> tuple[Path, str]:
    folder = Path(tempfile.mkdtemp(prefix="evidence-house-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    name, settings = f"house{os.getpid()}", {}
    if os.environ.get("EVIDENCE_TEST_DATABASE") == "postgresql":
        settings["database_url"] = make_database(shared_server(), name)
    made = make_house(folder, **settings)
    made.repo.close()
    return made.data, name


def _settings(data: Path, **more: Any) -> Settings:
    return load(data).model_copy(update={"database_timeout": 1.0, **more})


@contextmanager
def own_house(folder: Path, **settings: Any) -> Iterator[House]:
    """Yield a house with a database of its own, of the kind that the run is about.

    For several houses in one test, or one for the tests of a module.
    """
    with ExitStack() as stack:
        if os.environ.get("EVIDENCE_TEST_DATABASE") == "postgresql":
            settings["database_url"] = stack.enter_context(fresh_database(shared_server()))
        house = make_house(folder, **settings)
        stack.callback(house.repo.close)
        yield house


def reopen(settings: Settings) -> Repository:
    """Open the same repository again, as another process would."""
    return open_repository(settings)


def run(*arguments: object, stdin: bytes | None = None) -> Said:
    """Run the command line in this process."""
    import sys

    out, err = io.StringIO(), io.StringIO()
    before = sys.stdin
    if stdin is not None:
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
    code = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main([str(argument) for argument in arguments])
    except SystemExit as error:
        code = int(error.code or 0)
    finally:
        sys.stdin = before
    return Said(code, out.getvalue(), err.getvalue(), _lines(out.getvalue().splitlines()))


def _lines(lines: Iterable[str]) -> list[Any]:
    return [json.loads(line) for line in lines if line.startswith("{")]

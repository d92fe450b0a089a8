"""Fixtures of all upper parts: a repository, samples.

With EVIDENCE_TEST_DATABASE=postgresql every test has a PostgreSQL database of its own, which its
repositories and commands use; tests about SQLite's files are skipped then.
"""

import gc
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from werkzeug.routing import Rule

import repository
import repository.wrapping.file
from tests import kept_word
from tests.house import House, copied_house, database_to_copy
from tests.postgres import fresh_database, shared_server

# The files that take longest, longest first: begun first, none of them is left for the end.
LONG = {
    f"test_{name}.py": place
    for place, name in enumerate((
        "resuming", "worker", "upload_faults", "sandbox", "broken_lines", "migrations",
        "many_machines", "matrix", "extractors", "samples", "sending", "fuzz_api", "duties",
        "database_off", "erasure", "escapes", "service", "bad_input", "two_services", "members",
    ))
}  # fmt: skip
ON_POSTGRESQL = os.environ.get("EVIDENCE_TEST_DATABASE") == "postgresql"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of long files first; otherwise their order stays."""
    items.sort(key=lambda item: LONG.get(item.path.name, len(LONG)))


def pytest_collection_finish() -> None:
    """Let no search for garbage go through seven thousand tests again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def database_of_the_run(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Give the test a database of the kind that the run is about."""
    if not ON_POSTGRESQL:
        yield
        return
    only = request.node.get_closest_marker("sqlite_only")
    if only is not None:
        pytest.skip(f"about SQLite alone: {only.args[0]}")
    copied = "house" in request.fixturenames and not hasattr(request.module, "house")
    with fresh_database(shared_server(), copy_of=database_to_copy() if copied else None) as url:
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", url)
        yield


@pytest.fixture(autouse=True, scope="session")
def answers_are_compared() -> None:
    """Have every answer of the API in this run compared with its document."""
    kept_word.watch()


@pytest.fixture(autouse=True)
def the_api_keeps_its_word(answers_are_compared: None) -> Iterator[None]:
    """Fail a test in which the API answered otherwise than its document says."""
    kept_word.broken.clear()
    yield
    assert kept_word.broken == []


@pytest.fixture(autouse=True, scope="session")
def routes_are_compiled_once() -> Iterator[None]:
    """Let the hundreds of applications of a run share what is compiled of each route."""
    compiled: dict[Any, Any] = {}
    real = Rule._compile_builder

    def once(self: Rule, append_unknown: bool = True) -> Any:
        key = (self.rule, *self._trace, *sorted((self.defaults or {}).items()), append_unknown)
        if key not in compiled:
            compiled[key] = real(self, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", once)
        yield


@cache
def _derived(passphrase: bytes, **of: Any) -> bytes:
    return Scrypt(**of).derive(passphrase)


class DerivedOnce:
    """scrypt, which takes its time on purpose, once for each passphrase and salt of the run."""

    def __init__(self, **of: Any) -> None:
        self._of = of

    def derive(self, passphrase: bytes) -> bytes:
        return _derived(passphrase, **self._of)


@pytest.fixture(autouse=True, scope="session")
def keys_are_derived_once() -> Iterator[None]:
    """Derive each key once: thousands of tests open copies of one house."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repository, "Scrypt", DerivedOnce)
        patch.setattr(repository.wrapping.file, "Scrypt", DerivedOnce)
        yield


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Return a repository with a case and one person of each role."""
    found = copied_house(tmp_path)
    yield found
    found.repo.close()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with a few small files, awkward names included."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"first")
    (folder / "sub" / "b.bin").write_bytes(bytes(range(256)) * 10_000)
    (folder / "empty").write_bytes(b"")
    return folder

"""Every release's repository is upgraded, verified, exported; broken off anywhere, it goes on."""

import json
import shutil
import sqlite3
import tarfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.settings import load
from custody.database import Database
from repository import open_repository
from repository.dump import load as load_rows
from repository.migrations import newest, upgrade
from repository.migrations import revision as revision_of
from repository.people import SYSTEM
from repository.recovery import draw, recovery_file
from repository.upgrading import migrate, recorded
from tests.house import run
from tests.postgres import fresh_database, shared_server
from tests.releases.make import FILES

pytestmark = pytest.mark.sqlite_only("the repository of a release is one folder")

RELEASES = sorted((Path(__file__).parents[1] / "releases").glob("*.tar.xz"))
WHO = "root"  # the custodian of every release, who made it
STEPS = ("copying the database", "writing", "reading back", "migrating")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("releases")
    for file in RELEASES:
        with tarfile.open(file) as archive:
            archive.extractall(folder / file.name, filter="data")
    return folder


@pytest.fixture
def oldest(unpacked, tmp_path):
    """Return the data folder of the oldest release, with a recovery key."""
    shutil.copytree(unpacked / RELEASES[0].name / "data", tmp_path / "data")
    key, _ = draw(2, 3)
    settings = load(tmp_path / "data")
    recovery_file(settings).write_text(json.dumps(key.to_json()))
    return settings


def as_custodian(data, *words):
    return run("--data", data, "--as", WHO, "--json", *words)


def revision(data):
    with closing(sqlite3.connect(data / "evidence.db")) as raw:
        return raw.execute("SELECT version_num FROM alembic_version").fetchone()[0]


@pytest.mark.parametrize("release", RELEASES, ids=lambda one: one.name)
def test_a_release_is_upgraded_verified_and_exported(release, unpacked, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(unpacked / release.name / "data", data)
    older = revision(data) < newest()
    if older:
        said = as_custodian(data, "list", "--case", "KRN")
        assert (said.code, said.err.count("\n")) == (3, 1)
        assert "evidence upgrade" in said.err
        assert as_custodian(data, "upgrade", "--out", tmp_path / "b").code == 3  # no recovery key
    said = as_custodian(
        data, "recovery", "new", "--shares", 3, "--threshold", 2, "--out", tmp_path / "shares"
    )
    assert said.code == 0, said.err
    said = as_custodian(data, "upgrade", "--out", tmp_path / "b")
    assert said.code == 0, said.err
    assert said.lines[0]["upgraded"] == older
    assert revision(data) == newest()
    assert as_custodian(data, "upgrade", "--out", tmp_path / "c").lines == [{"upgraded": False}]
    assert as_custodian(data, "verify").code == 0
    for number, content in zip(("KRN-000001", "KRN-000002"), FILES.values(), strict=True):
        out = tmp_path / number
        said = as_custodian(data, "retrieve", number, "--out", out, "--purpose", "investigation")
        assert (said.code, out.read_bytes()) == (0, content)
    said = as_custodian(
        data, "export", "--case", "KRN", "--out", tmp_path / "bag", "--purpose", "court"
    )
    assert said.code == 0, said.err
    assert run("verify", tmp_path / "bag").code in (0, 3)  # nobody's key is trusted beforehand
    if older:  # and back: the backup that was made before is of the older revision
        shutil.rmtree(data / "work")
        said = run(
            "--data", tmp_path / "before", "--json", "restore", tmp_path / "b",
            "--shares", tmp_path / "shares" / "share-1-of-3.txt",
            "--shares", tmp_path / "shares" / "share-3-of-3.txt",
            "--store", (data / "store").as_uri(),
        )  # fmt: skip
        assert (said.code, said.lines[0]["passed"]) == (0, 2), said.err


@pytest.mark.long
def test_an_older_house_on_postgresql_is_upgraded_verified_and_exported(
    oldest, tmp_path, monkeypatch
):
    before = revision(oldest.data)
    with fresh_database(shared_server()) as url:
        database = Database(url)
        upgrade(database, before)
        load_rows(oldest.data / "evidence.db", database, lambda *_: None)
        (oldest.data / "evidence.db").unlink()
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", url)
        said = as_custodian(oldest.data, "list", "--case", "KRN")
        assert (said.code, said.err.count("\n")) == (3, 1)
        said = as_custodian(oldest.data, "upgrade", "--out", tmp_path / "b")
        assert said.code == 0, said.err
        assert (said.lines[0]["before"], said.lines[0]["after"]) == (before, newest())
        assert revision_of(database) == newest()
        database.close()
        assert as_custodian(oldest.data, "verify").code == 0
        for number, content in zip(("KRN-000001", "KRN-000002"), FILES.values(), strict=True):
            words = ("retrieve", number, "--out", tmp_path / number, "--purpose", "court")
            assert as_custodian(oldest.data, *words).code == 0
            assert (tmp_path / number).read_bytes() == content
        words = ("export", "--case", "KRN", "--out", tmp_path / "bag", "--purpose", "court")
        said = as_custodian(oldest.data, *words)
        assert said.code == 0, said.err
        assert run("verify", tmp_path / "bag").code in (0, 3)


class Killed(Exception):
    """The process ended here."""


@pytest.mark.parametrize("step", STEPS)
def test_broken_off_at_any_step_while_the_clock_jumps_it_goes_on(oldest, tmp_path, step):
    def tell(said, done, of):
        if said == step and (step != "migrating" or done == of):
            raise Killed

    times = iter(datetime(2026, 11, 27, tzinfo=UTC) - n * timedelta(days=400) for n in range(9))
    (tmp_path / "b").mkdir()
    with pytest.raises(Killed):
        migrate(oldest, tmp_path / "b", tell, clock=lambda: next(times))
    committed = step == "migrating"
    assert revision(oldest.data) == (newest() if committed else "0018")
    assert not list((tmp_path / "b").glob(".*"))  # nothing that looks like a backup
    assert migrate(oldest, tmp_path / "b", lambda *_: None, clock=lambda: next(times))
    repo = open_repository(oldest)
    done = recorded(repo, SYSTEM)
    assert (done.before, done.after) == ("0018", newest())
    assert recorded(repo, SYSTEM) is None
    assert not migrate(oldest, tmp_path / "b", lambda *_: None)
    told = [e.fields.get("reason") for e in repo.ledger.entries() if "reason" in e.fields]
    assert told[-2:] == ["backup", "upgraded"]
    repo.close()
    assert as_custodian(oldest.data, "verify").code == 0


def test_an_older_program_refuses_a_newer_database_in_one_line_and_leaves_it(oldest, tmp_path):
    file = oldest.data / "evidence.db"
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    before = file.read_bytes()
    for words in (("status",), ("upgrade", "--out", tmp_path / "b")):
        said = as_custodian(oldest.data, *words)
        assert (said.code, said.err.count("\n")) == (3, 1)
        assert "made by a newer program" in said.err
    assert file.read_bytes() == before
    assert not (tmp_path / "b").exists()

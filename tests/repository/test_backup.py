"""Backup and restore: a house that is lost comes back whole, and nothing else comes back."""

import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from api.app import create_app
from config.settings import load
from custody.canonical import dumps
from custody.errors import LedgerBehind
from repository import compare, erasure, open_repository
from repository.backup_file import read_head
from repository.journal import read as read_journal
from repository.keys import in_store
from repository.ledger_mirror import publish, read_registered, segments
from repository.maintenance import alone
from repository.people import new_person
from repository.recovery import draw
from tests.ceph import ceph
from tests.house import CODE, Said, make_house, own_house, run
from tests.one_house import signed_in
from tests.postgres import fresh_database, shared_server
from tests.shared import ROOT

ON_POSTGRESQL = os.environ.get("EVIDENCE_TEST_DATABASE") == "postgresql"
FILES = {"a.txt": b"first", "b.bin": bytes(range(256)) * 9_000, "empty": b"", "secret": b"sealed"}


def shares(folder, *numbers):
    return [word for n in numbers for word in ("--shares", folder / f"share-{n}-of-3.txt")]


def with_key(house, folder):
    said = house.evidence("recovery", "new", "--shares", 3, "--threshold", 2, "--out", folder)
    assert said.code == 0, said.err
    return said.lines[0]["recovery"]


def backed_up(house, folder):
    folder.mkdir(exist_ok=True)
    said = house.evidence("backup", "--out", folder)
    assert said.code == 0, said.err
    return Path(said.lines[0]["file"])


def handed_in(house, content, *, by):
    """Hand a file in over HTTP: it is acknowledged, and no mirror has it yet."""
    app = create_app(house.repo)
    answer = app.test_client().post(
        f"/api/v1/exhibits?case={CODE}&collected_by={quote(by)}",
        data=content,
        headers=signed_in(house, "investigator"),
    )
    assert answer.status_code == 201, answer.text
    return answer.json


def read(data, number, folder):
    out = folder / f"{number}.out"
    said = run("--data", data, "retrieve", number, "--out", out, "--purpose", "investigation")
    return said, out.read_bytes() if out.exists() else None


@contextmanager
def bare_machine():
    """Have commands find no database of before: on PostgreSQL an empty one."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        if ON_POSTGRESQL:
            url = stack.enter_context(fresh_database(shared_server()))
            patch.setenv("EVIDENCE_DATABASE_URL", url)
        yield


def lost(house, folder):
    """Lose database and host; the objects are all that is left."""
    house.repo.close()
    folder.mkdir()
    (house.data / "store").rename(folder / "store")
    shutil.rmtree(house.data)
    return (folder / "store").as_uri()


def test_a_lost_house_comes_back_with_everything_it_acknowledged(house, tmp_path):
    files = tmp_path / "in"
    files.mkdir()
    for name, content in FILES.items():
        (files / name).write_bytes(content)
    numbers = [one["exhibit"] for one in house.ingest(files)]
    by_name = dict(zip(sorted(FILES), sorted(numbers), strict=True))
    new_person(house.repo, house.custodian, name="second", role="custodian")
    with_key(house, tmp_path / "shares")
    file = backed_up(house, tmp_path / "backups")
    size = read_head(file).size

    # After the backup: a new case with an exhibit, one erased, one sealed, and one of which only
    # the journal knows.
    assert house.evidence("case", "new", "LATER", "--title", "Opened since").code == 0
    (tmp_path / "since.txt").write_bytes(b"registered since")
    said = house.evidence("ingest", tmp_path / "since.txt", "--case", "LATER", "--no-extract")
    [since] = [one["exhibit"] for one in said.lines]
    (tmp_path / "order.pdf").write_bytes(b"order")
    asked = house.evidence(
        "erase", "request", by_name["a.txt"], "--order", tmp_path / "order.pdf", "--motive", "m"
    )
    said = house.evidence(
        "erase", "approve", asked.lines[0]["erasure"], "--motive", "m", person="second"
    )
    assert said.code == 0, said.err
    # Another one is decided, and the process ends before the keys in the store are destroyed.
    asked = house.evidence(
        "erase", "request", by_name["empty"], "--order", tmp_path / "order.pdf", "--motive", "m"
    )
    undone = asked.lines[0]["erasure"]
    erasure._approve(house.repo, house.caller("second").actor(), undone, "m")
    said = house.evidence("mark", by_name["secret"], "--sealed", "--motive", "m")
    assert said.code == 0, said.err
    receipt = handed_in(house, b"acknowledged, then everything was lost", by="A. Field")
    last = receipt["exhibit"]
    acknowledged = house.repo.ledger.size()
    store = lost(house, tmp_path / "survived")

    with bare_machine():
        data = tmp_path / "new"
        said = program(
            "--data", data, "--json", "restore", file, *shares(tmp_path / "shares", 3, 1),
            "--store", store, "--read-all",
        )  # fmt: skip
        assert said.code == 0, said.err
        [done] = said.lines
        assert done["backup"] == size
        assert done["exhibits"] == [since, last]
        assert done["erased_again"]["exhibits"] == 2
        assert done["sealed"] == [by_name["secret"]]
        assert done["passed"] == done["read_back"] == len(FILES) - 2 + 2
        assert done["size"] >= acknowledged

        content = {by_name[name]: content for name, content in FILES.items()}
        content |= {since: b"registered since", last: b"acknowledged, then everything was lost"}
        for number, expected in content.items():
            if number not in (by_name["a.txt"], by_name["empty"], by_name["secret"]):
                assert read(data, number, tmp_path)[1] == expected, number
        assert read(data, by_name["a.txt"], tmp_path)[0].code == 4  # erased it stays
        assert read(data, by_name["empty"], tmp_path)[0].code == 4
        assert read(data, by_name["secret"], tmp_path)[0].code != 0
        said = run("--data", data, "verify", "--ledger")
        assert said.code == 0, said.out
        said = run("--data", data, "--json", "show", last, "--custody")
        assert "A. Field" in said.out  # what its entries withhold came back too
        repo = open_repository(load(data))
        [left] = erasure.approved(repo)  # a worker goes on with it
        assert in_store(repo, repo.store, left.exhibit_id) is not None
        erasure.finish(repo, left)
        assert in_store(repo, repo.store, left.exhibit_id) is None
        bodies = {entry.body for entry in repo.ledger.entries()}
        assert receipt["body"].encode() in bodies
        assert [e.fields["reason"] for e in repo.ledger.entries() if e.fields["type"] == "restored"]
        repo.close()


@pytest.mark.ceph
def test_a_house_whose_objects_are_in_an_s3_service_comes_back_from_it_alone(tmp_path):
    keys = ceph()
    for name in ("access", "secret"):
        (tmp_path / name).write_text(keys[f"S3_{name.upper()}_KEY"])
    host = keys["S3_ENDPOINT"].removeprefix("http://")
    settings = {
        "store_url": f"s3+http://{host}/?prefix=b{os.urandom(3).hex()}-&mode=GOVERNANCE",
        "store_access_key_file": tmp_path / "access",
        "store_secret_key_file": tmp_path / "secret",
    }
    files = {f"{n}.bin": os.urandom(900 * n) for n in range(4)}
    (tmp_path / "in").mkdir()
    for name, content in files.items():
        (tmp_path / "in" / name).write_bytes(content)
    (tmp_path / "since.bin").write_bytes(b"registered since")
    with own_house(tmp_path, **settings) as house:
        with (house.data / "config.toml").open("a") as said:
            said.writelines(f'{name} = "{value}"\n' for name, value in settings.items())
        content = {
            one["exhibit"]: files[Path(one["path"]).name] for one in house.ingest(tmp_path / "in")
        }
        with_key(house, tmp_path / "shares")
        file = backed_up(house, tmp_path / "backups")
        since = house.ingest(tmp_path / "since.bin")[0]["exhibit"]  # the mirror has it
        last = handed_in(house, b"only the journal has it", by="A. Field")
        before = list(house.repo.ledger.entries())
        house.repo.close()
        shutil.rmtree(house.data)
    for name in ("access", "secret"):
        (tmp_path / name).unlink()  # the backup has them
    content |= {since: b"registered since", last["exhibit"]: b"only the journal has it"}
    data = tmp_path / "new"
    with bare_machine():
        words = (*shares(tmp_path / "shares", 1, 2), "--read-all")
        said = run("--data", data, "--json", "restore", file, *words)
        assert said.code == 0, said.err
        [done] = said.lines
        assert done["exhibits"] == [since, last["exhibit"]]
        assert (done["read_back"], done["passed"]) == (len(content), len(content))
        for number, expected in content.items():
            assert read(data, number, tmp_path)[1] == expected, number
        repo = open_repository(load(data))
        after = list(repo.ledger.entries())
        repo.close()
        assert [one.body for one in after[: len(before)]] == [one.body for one in before]
        assert run("--data", data, "verify", "--ledger").code == 0


def program(*arguments):
    """Run the command line in a process of its own, as on another machine."""
    found = subprocess.run(
        [sys.executable, "-m", "api.cli", *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]
    return Said(found.returncode, found.stdout, found.stderr, lines)


# Refusals, on one house and one backup


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """Return a house, a backup of it and the folder of its shares."""
    folder = tmp_path_factory.mktemp("backup")
    with own_house(folder) as house:
        with pytest.MonkeyPatch.context() as patch:
            if house.repo.settings.database_url:
                patch.setenv("EVIDENCE_DATABASE_URL", house.repo.settings.database_url)
            (folder / "x.txt").write_bytes(b"content")
            house.ingest(folder / "x.txt")
            with_key(house, folder / "shares")
            file = backed_up(house, folder / "backups")
        yield house, file, folder / "shares"


def restored(file, folder, *words):
    with bare_machine():
        return run("--data", folder, "--json", "restore", file, *words)


def test_a_backup_cut_anywhere_or_changed_is_refused_in_one_line(one, tmp_path):
    _, file, given = one
    whole = file.read_bytes()
    head = len(whole.split(b"\n")[0]) + 1
    for name, data in {
        "cut in the first line": whole[: head // 2],
        "cut in the middle": whole[: len(whole) // 2],
        "cut between segments": whole[: head + (1 << 20)],
        "one byte short": whole[:-1],
        "one byte more": whole + b"\0",
        "one bit changed": whole[: head + 5_000]
        + bytes([whole[head + 5_000] ^ 1])
        + whole[head + 5_001 :],
        "another first line": whole.replace(b'"revision":"0', b'"revision":"0', 1).replace(
            b'"size":', b'"size":1', 1
        ),
    }.items():
        bad = tmp_path / "bad.backup"
        bad.write_bytes(data)
        said = restored(bad, tmp_path / "new", *shares(given, 1, 2))
        assert said.code == 1, (name, said.err)
        assert said.err.count("\n") == 1, (name, said.err)
        assert not (tmp_path / "new").exists(), name
        assert [one.name for one in tmp_path.iterdir()] == ["bad.backup"], name


def test_what_is_no_backup_or_of_a_newer_program_is_refused(one, tmp_path):
    _, file, given = one
    (tmp_path / "other").write_bytes(b"\x89PNG")
    assert "no backup" in restored(tmp_path / "other", tmp_path / "new", *shares(given, 1, 2)).err
    line, rest = file.read_bytes().split(b"\n", 1)
    for found, said in (({"v": 2}, "form 2"), ({"revision": "9999"}, "newer program")):
        newer = dumps({**json.loads(line), **found}) + b"\n"
        (tmp_path / "newer").write_bytes(newer + rest)
        refused = restored(tmp_path / "newer", tmp_path / "new", *shares(given, 1, 2))
        assert refused.code == 2
        assert said in refused.err


def test_shares_too_few_misspelled_twice_the_same_or_of_another_set_open_nothing(one, tmp_path):
    house, file, given = one
    _, words = draw(2, 3)
    (tmp_path / "other.txt").write_text("\n".join(words[:2]))
    (tmp_path / "wrong.txt").write_text("correct horse battery staple")
    first = (given / "share-1-of-3.txt").read_text().splitlines()[-1]
    (tmp_path / "slip.txt").write_text(first.replace(first.split()[7], "acid", 1))
    for files, said in (
        (shares(given, 1), "1 different shares were given, 2 are needed"),
        (shares(given, 1, 1), "1 different shares were given, 2 are needed"),
        (["--shares", tmp_path / "other.txt"], "another recovery key"),
        ([*shares(given, 1), "--shares", tmp_path / "other.txt"], "not of one set"),
        (["--shares", tmp_path / "wrong.txt"], "cannot be read"),
        ([*shares(given, 2), "--shares", tmp_path / "slip.txt"], "cannot be read"),
    ):
        refused = restored(file, tmp_path / "new", *files)
        assert (refused.code, said in refused.err) == (2, True), (said, refused.err)
        checked = house.evidence("recovery", "check", *files) if not ON_POSTGRESQL else refused
        assert checked.code == 2
    assert not (tmp_path / "new").exists()


def test_a_folder_with_anything_in_it_is_left_as_it_is(one, tmp_path):
    _, file, given = one
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").write_text("mine")
    refused = restored(file, tmp_path / "full", *shares(given, 1, 2))
    assert (refused.code, "is not empty" in refused.err) == (2, True)
    assert (tmp_path / "full" / "note").read_text() == "mine"


@pytest.mark.sqlite_only("the folder holds the repository")
def test_an_older_backup_and_one_of_another_repository_are_told_apart(one, tmp_path):
    house, file, given = one
    refused = restored(file, house.data, *shares(given, 1, 2))
    assert (refused.code, "is newer than this backup" in refused.err) == (2, True), refused.err
    other = make_house(tmp_path)
    other.repo.close()
    refused = restored(file, other.data, *shares(given, 1, 2))
    assert (refused.code, "this backup is of" in refused.err) == (2, True), refused.err


def test_a_store_of_another_repository_is_refused(one, tmp_path):
    _, file, given = one
    with own_house(tmp_path / "other") as other:
        store = other.data / "store"
        refused = restored(file, tmp_path / "new", *shares(given, 1, 2), "--store", store.as_uri())
    assert (refused.code, "the object store is not that of" in refused.err) == (2, True), (
        refused.err
    )


def test_two_administrators_at_once_are_one_after_the_other(one, tmp_path, monkeypatch):
    house, file, given = one
    if house.repo.settings.database_url:
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", house.repo.settings.database_url)
    with alone(house.data, house.repo.database):
        refused = house.evidence("backup", "--out", tmp_path / "b.backup")
    assert (refused.code, "somebody else is" in refused.err) == (3, True)
    (tmp_path / ".new.restore").mkdir()
    with alone(tmp_path / ".new.restore"):
        refused = restored(file, tmp_path / "new", *shares(given, 1, 2))
    assert (refused.code, "somebody else is" in refused.err) == (3, True)
    shutil.copytree(house.data / "store", tmp_path / "store")
    assert restored(
        file, tmp_path / "new", *shares(given, 1, 2), "--store", (tmp_path / "store").as_uri(),
        "--read", 0,
    ).code == 0  # fmt: skip


def test_a_backup_replaces_nothing_and_a_killed_one_leaves_nothing(one, tmp_path, monkeypatch):
    house, _, _ = one
    if house.repo.settings.database_url:
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", house.repo.settings.database_url)
    (tmp_path / "mine").write_text("mine")
    assert house.evidence("backup", "--out", tmp_path / "mine").code == 2
    assert (tmp_path / "mine").read_text() == "mine"
    (tmp_path / ".b.backup.part").write_text("of a run that was killed")
    left = house.data / "work" / "backup-left"
    left.mkdir()
    assert house.evidence("backup", "--out", tmp_path / "b.backup").code == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == ["b.backup", "mine"]
    assert not left.exists()
    assert (tmp_path / "b.backup").stat().st_mode & 0o777 == 0o600


def test_a_disk_that_is_full_in_the_middle_leaves_nothing(one, tmp_path, monkeypatch):
    house, file, given = one
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / "new", tmp_path / "there"):
        with files_of_at_most(200_000):
            refused = restored(file, folder, *shares(given, 1, 2))
        assert (refused.code, refused.err.count("\n")) == (3, 1), refused.err
        assert "no room is left" in refused.err
    assert list(tmp_path.rglob("*")) == [tmp_path / "there"]
    if house.repo.settings.database_url:
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", house.repo.settings.database_url)
    with files_of_at_most(200_000):
        refused = house.evidence("backup", "--out", tmp_path / "b.backup")
    assert (refused.code, refused.err.count("\n")) == (3, 1), refused.err
    assert list(tmp_path.rglob("*")) == [tmp_path / "there"]


@contextmanager
def files_of_at_most(size):
    """Let no file of this process grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_nothing_of_a_house_can_be_read_in_its_backup(one):
    _, file, _ = one
    data = file.read_bytes()
    assert all(word not in data for word in (b"The bridge", b"investigator", b"x.txt", b"SQLite"))


def test_a_drill_reads_back_and_is_on_record_and_writes_nothing_else(one, monkeypatch):
    house, file, given = one
    if house.repo.settings.database_url:
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", house.repo.settings.database_url)

    def stored():
        return {
            (one.bucket, one.key)
            for bucket in ("evidence", "derived", "ledger", "keys", "staging")
            for one in house.repo.store.versions(bucket)
        }

    before, size = stored(), house.repo.ledger.size()
    said = house.evidence("restore", "--drill", file, *shares(given, 2, 3))
    assert said.code == 0, said.err
    assert said.lines[0]["read_back"] == said.lines[0]["passed"] == 1
    assert stored() == before
    added = [e.fields for e in house.repo.ledger.entries(size)]
    assert [(e["type"], e.get("reason")) for e in added] == [
        ("fixity_check", "restore-drill"), ("restored", "drill"),
    ]  # fmt: skip
    assert list((house.data / "work").glob("drill-*")) == []


# What is outside the database before a receipt leaves


def test_no_receipt_leaves_before_the_store_has_what_it_is_about(house):
    client, headers = create_app(house.repo).test_client(), signed_in(house, "investigator")
    blocked = house.data / "store" / "staging" / "journal"
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_bytes(b"")  # no journal can be written
    answer = client.post(f"/api/v1/exhibits?case={CODE}", data=b"x", headers=headers)
    assert (answer.status_code, answer.json["type"].rpartition("/")[2]) == (
        503, "store-unavailable",
    )  # fmt: skip
    assert not list(house.repo.receipts.iterdir())
    asked = f"/api/v1/exhibits/{CODE}-000001/receipt"
    assert client.get(asked, headers=headers).status_code == 503
    blocked.unlink()
    answer = client.get(asked, headers=headers)
    assert answer.status_code == 200
    size = house.repo.ledger.size()
    [segment] = segments(house.repo, 0)
    found = read_journal(house.repo, segment)
    assert answer.json["body"] in found["bodies"]
    assert [row["number"] for row in found["registered"]["rows"]["exhibit"]] == [f"{CODE}-000001"]
    publish(house.repo)  # the mirror takes it over
    assert list(segments(house.repo, 0)) == []
    [document] = read_registered(house.repo, 0)
    assert document["rows"] == found["registered"]["rows"]
    assert size <= house.repo.ledger.size()


def test_a_database_behind_the_journal_alone_records_nothing(house):
    publish(house.repo)
    older = house.repo.ledger.size()  # of a copy of the database made now
    handed_in(house, b"acknowledged", by="A. Field")
    size = house.repo.ledger.size()
    with pytest.raises(LedgerBehind, match=str(size)):
        compare(house.repo.store, older)
    compare(house.repo.store, size)


def test_a_checkpoint_from_outside_that_shows_more_is_said(one, tmp_path, monkeypatch):
    house, file, given = one
    if house.repo.settings.database_url:
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", house.repo.settings.database_url)
    shutil.copytree(house.data / "store", tmp_path / "store")
    assert house.evidence("list", "--case", CODE).code == 0  # an entry more
    [found] = house.evidence("ledger", "checkpoint").lines
    (tmp_path / "checkpoint").write_text(found["checkpoint"])
    store = ("--store", (tmp_path / "store").as_uri())
    words = (*shares(given, 1, 2), *store, "--checkpoint", tmp_path / "checkpoint")
    with bare_machine():
        said = run("--data", tmp_path / "new", "--json", "restore", file, *words)
        assert said.code == 1, said.err
        [shown] = said.lines[0]["beyond"]
        assert (shown["by"], shown["size"]) == ("a kept checkpoint", found["size"])
        assert said.lines[0]["passed"] == said.lines[0]["read_back"] == 1
        after = run("--data", tmp_path / "new", "--json", "list", "--case", CODE)
        assert (after.code, "were given out" in after.err) == (3, True)

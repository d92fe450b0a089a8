"""Where entries that were given out are lost for good, a successor names them, by two persons."""

import json
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from config.settings import load
from custody.audit import audit
from custody.database import Database
from custody.errors import LedgerBehind, MalformedEntry
from custody.keys import events, vouched
from custody.note import Note
from custody.succession import gaps
from custody.verify import verify_path
from repository import approvals, compare, open_repository
from repository.errors import UnknownApproval
from repository.installed import record_start
from repository.keys import mirror_key
from repository.ledger_mirror import publish, rebuild
from repository.migrations import upgrade
from repository.outside import beyond
from repository.people import new_person
from repository.publication import announce
from repository.succession import named_gaps
from tests.browser.checking import Case, check_all, files_of
from tests.house import CODE, own_house
from tests.postgres import fresh_database, shared_server
from tests.witnesses import policy_of, served_witness


@pytest.fixture(scope="module")
def lost(tmp_path_factory):
    """Yield a house that is older than its witness, whose log it is, and what was kept outside."""
    folder = tmp_path_factory.mktemp("lost")
    with own_house(folder) as house:
        yield from lose(house, folder)


@pytest.fixture(autouse=True)
def database_of_the_run(lost, monkeypatch):
    """Leave the house its own database; commands learn of it by `House.evidence`."""


def lose(house, folder):
    """Lose what a house did since a moment, but for what its witness and people kept."""
    key = house.repo.ledger.key
    for name in ("other", "third"):
        new_person(house.repo, house.custodian, name=name, role="custodian")
    with ExitStack() as stack:
        served = served_witness(folder / "w", "w.example/w", key)
        url, keys, witness = stack.enter_context(served)
        (folder / "policy").write_text(str(policy_of(key, [("W", keys, url)], 1)))
        with (house.data / "config.toml").open("a") as settings:
            settings.write(f'witness_policy_file = "{folder / "policy"}"\n')
        reopen(house)
        (folder / "a.txt").write_bytes(b"kept")
        house.ingest(folder / "a.txt")
        announce(house.repo)
        size = house.repo.ledger.size()
        older = put_aside(house, folder, stack)
        reopen(house)
        (folder / "b.txt").write_bytes(b"lost")
        house.ingest(folder / "b.txt")
        announce(house.repo)
        shown = house.repo.ledger.size()
        (folder / "checkpoint").write_text(house.repo.ledger.published_note())
        shutil.copy(house.data / "receipts" / "KRN-000002.json", folder / "receipt.json")
        house.repo.close()
        shutil.rmtree(house.data)
        (folder / "older").rename(house.data)
        reopen(house, older)
        yield house, folder, witness, size, shown
        house.repo.close()


def put_aside(house, folder, stack):
    """Keep database and store of one moment; return the URL of that database, if it has one."""
    house.repo.close()
    shutil.copytree(house.data, folder / "older")
    url = house.repo.settings.database_url
    if url:
        name = url.rpartition("/")[2]
        url = stack.enter_context(fresh_database(shared_server(), copy_of=name))
    return url


def reopen(house, url=None):
    house.repo.close()
    url = url or house.repo.settings.database_url
    found = load(house.data).model_copy(update={"database_timeout": 1.0, "database_url": url})
    house.repo = open_repository(found)


def at_once(house, name, patch):
    """Have two custodians approve in two processes' way, both having seen that it waits."""
    both, decider = threading.Barrier(2), approvals._decider

    def together(*words):
        found = decider(*words)
        both.wait(timeout=30)
        return found

    patch.setattr(approvals, "_decider", together)

    def approve(person):
        settings = house.repo.settings.model_copy(update={"database_timeout": 30.0})
        repo = open_repository(settings)
        try:
            state = approvals.approve(repo, house.caller(person), name, motive="seen").state
            publish(repo)
            return state
        except UnknownApproval as error:
            return type(error).__name__
        finally:
            repo.close()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(approve, ("other", "third")))


def test_what_is_lost_is_named_by_a_successor_and_by_two_persons(lost):
    house, folder, witness, size, shown = lost
    old = house.repo.ledger.key
    with pytest.raises(LedgerBehind):
        record_start(house.repo, "worker")  # its first entry would be a second one at its index
    # The witness shows more than anything can rebuild: no process appends any more.
    said = house.evidence("ledger", "rebuild")
    assert (said.code, said.lines[0]["size"]) == (1, size)
    assert [(one["by"], one["size"]) for one in said.lines[0]["beyond"]] == [
        ("the witness W", shown)
    ]
    assert house.evidence("list", "--case", CODE).code == 3
    assert "ledger succeed" in house.evidence("list", "--case", CODE).err
    reopen(house)
    assert [one.size for one in beyond(house.repo)] == [shown]
    status = {one["name"]: one for one in house.evidence("status").lines if "name" in one}
    assert status["log-key"]["state"] == "act"
    assert house.repo.ledger.size() == size
    # One person asks, another decides; a third cannot find it among what waits.
    words = ("--checkpoint", folder / "checkpoint", "--receipt", folder / "receipt.json")
    said = house.evidence("ledger", "succeed", *words, "--motive", "both disks burned")
    assert (said.code, said.lines[0]["size"], said.lines[0]["to"]) == (0, size, shown)
    name = said.lines[0]["approval"]
    assert house.evidence("approval", "give", name, "--motive", "seen").code != 0
    assert house.repo.ledger.size() == size
    # Two others decide at the same moment: one of them is told that nothing waits any more.
    with pytest.MonkeyPatch.context() as patch:
        told = at_once(house, name, patch)
    assert sorted(told) == ["UnknownApproval", "approved"]
    reopen(house)
    ledger = house.repo.ledger
    assert [e.index for e in ledger.entries() if "succession" in e.fields] == [size]
    assert ledger.origin == f"{old.name}/successor-{size}"
    first = next(ledger.entries(size, size + 1)).fields
    told = first["succession"]
    assert (told["origin"], told["size"], told["to"]) == (old.name, size, shown)
    assert any(one["note"] == (folder / "checkpoint").read_text() for one in told["shown"])
    quoted = Note.parse(told["note"])
    assert {line.name for line in quoted.signatures} >= {old.name, "w.example/w"}
    assert told["requested_by"] != first["actor"]["id"]
    opened = ledger.opened(ledger.entry(size))
    assert opened["motive"] == "both disks burned"
    # What came back is recorded now; the witness of the old origin is told the new one.
    witness.trust(ledger.key)
    assert house.evidence("ledger", "rebuild").code == 0
    done = announce(house.repo)
    assert done.quorum, done.problems
    assert Note.parse(done.note).text.startswith(f"{ledger.origin}\n")


def test_a_gap_is_never_hidden(lost):
    house, folder, _, size, shown = lost
    said = house.evidence(
        "verify", "--ledger", "--receipt", house.data / "receipts/KRN-000001.json"
    )
    assert said.code == 0, said.out
    found = {one["check"]: one for one in said.lines}
    assert found["succession"]["outcome"] == "pass"
    assert found["gap"]["outcome"] == "not-done"
    assert f"entries {size} to {shown - 1}" in found["gap"]["subject"]
    for word, name in (("--receipt", "receipt.json"), ("--checkpoint", "checkpoint")):
        said = house.evidence("verify", "--ledger", word, folder / name)
        assert said.code == 1
        assert "are lost" in said.out
    status = {one["name"]: one for one in house.evidence("status").lines if "name" in one}
    assert (status["log-key"]["state"], "are lost" in status["log-key"]["said"]) == ("well", True)
    words = ("export", "--case", CODE, "--out", folder / "bag", "--purpose", "court")
    said = house.evidence(*words, person="prosecutor")
    assert said.code == 0, said.err
    custody = json.loads((folder / "bag" / "custody.json").read_text())
    assert any("of the ledger before" in one["what"] for one in custody["left_out"])
    command = [sys.executable, "-P", folder / "bag" / "verify.py", folder / "bag"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode in (0, 3), checked.stdout
    assert "fail" not in checked.stdout
    assert f"entries {size} to {shown - 1}" in checked.stdout


def test_the_page_that_checks_says_what_verify_says_of_a_gap(lost, tmp_path):
    _, folder, *_ = lost
    [told] = check_all([Case(files_of(folder / "bag"))], tmp_path)
    ours = {one.claim: (one.outcome, one.detail) for one in verify_path(folder / "bag", None)}
    theirs = {one["claim"]: (one["outcome"], one["detail"]) for one in told["findings"]}
    assert theirs["gap"] == ours["gap"]
    assert {name: outcome for name, (outcome, _) in theirs.items() if outcome == "fail"} == {}


def test_rebuilt_from_its_mirror_it_is_still_the_successor(lost, tmp_path):
    house, *_ = lost
    [first, *_] = [one.key for one in house.repo.ledger.key_history()]
    rebuilt(house, tmp_path)
    # Whoever owns the database and the new key, and shortens what is lost, is found out.
    [body] = [e.body for e in house.entries() if "succession" in e.fields]
    fields = json.loads(body)
    fields["key"]["by"] = fields["key"]["vkey"]
    with pytest.raises(MalformedEntry):
        vouched(fields, [first])


def rebuilt(house, folder):
    """Rebuild a ledger from its mirror alone, and check that it is the same."""
    publish(house.repo)
    database = Database(f"sqlite:///{folder / 'new.db'}", timeout=5)
    upgrade(database)
    [first, *later] = [one.key for one in house.repo.ledger.key_history()]
    key = mirror_key(house.repo, house.repo.store)
    size = rebuild(database, house.repo.store, [first], key=key)
    with database.reading() as session:
        assert [event.key for event in events(session)] == later
        assert gaps(session) == named_gaps(house.repo)
        found = audit(database, keys=house.repo.ledger.key_history(), wrapping_key=None)
    assert [one.check for one in found if one.outcome == "fail"] == []
    database.close()
    assert size == house.repo.ledger.size()


def test_where_the_store_has_lost_entries_it_knows_of_a_successor_goes_on_beside_them(tmp_path):
    with own_house(tmp_path) as house, ExitStack() as stack:
        new_person(house.repo, house.custodian, name="other", role="custodian")
        size = house.repo.ledger.size()
        publish(house.repo)
        house.repo.close()
        older = put_aside(house, tmp_path, stack)
        reopen(house)
        (tmp_path / "b.txt").write_bytes(b"its entries are lost")
        house.ingest(tmp_path / "b.txt")
        shown = house.repo.ledger.size()
        house.repo.close()
        # The database is of before; of what the store had since, checkpoint and rows are left.
        (tmp_path / "older" / "store").rename(tmp_path / "unused")
        (house.data / "store").rename(tmp_path / "older" / "store")
        shutil.rmtree(house.data)
        (tmp_path / "older").rename(house.data)
        for tail in (house.data / "store" / "ledger" / "tail").rglob("*"):
            if tail.is_file() and tail.suffix != ".lock" and int(tail.name[-20:]) > size:
                tail.chmod(0o600)
                tail.unlink()
        reopen(house, older)
        said = house.evidence("ledger", "rebuild")
        assert (said.code, said.lines[0]["size"]) == (1, size), said.err
        assert [(one["by"], one["size"]) for one in said.lines[0]["beyond"]] == [
            ("a checkpoint in the store", shown)
        ]
        assert "ledger succeed" in house.evidence("list", "--case", CODE).err
        assert house.repo.ledger.size() == size
        said = house.evidence("ledger", "succeed", "--motive", "no copy has them")
        name = said.lines[0]["approval"]
        given = house.evidence("approval", "give", name, "--motive", "seen", person="other")
        assert given.code == 0, given.err
        reopen(house)
        assert house.evidence("ledger", "rebuild").code == 0
        # It grows past the size that was lost, and both stay in the store.
        (tmp_path / "c.txt").write_bytes(b"handed in again")
        while house.repo.ledger.size() <= shown + 3:
            house.ingest(tmp_path / "c.txt")
        assert house.evidence("verify", "--ledger").code == 0
        rebuilt(house, tmp_path)
        # A database of before the successor, brought back once more, appends nothing.
        with pytest.raises(LedgerBehind):
            compare(house.repo.store, size, house.repo.settings.origin)
        compare(house.repo.store, house.repo.ledger.size(), house.repo.ledger.origin)
        house.repo.close()


def test_a_ledger_that_lacks_nothing_gets_no_successor(lost):
    house, *_ = lost
    said = house.evidence("ledger", "succeed", "--motive", "to be rid of it")
    assert said.code == 2
    assert "no successor is needed" in said.err
    with pytest.raises(LedgerBehind):
        compare(house.repo.store, house.repo.ledger.size() - 1, house.repo.ledger.origin)

"""Another key-encryption key: by two persons, everything wrapped by it, and nobody reads less."""

import io
import json
import os
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select

from ingest.receive import receive
from ingest.wellbeing import measures
from repository import chores, erasure, keys, move, open_repository, rewrapping
from repository.copies import replicate, replicate_ledger
from repository.errors import BadRequest, KeyUnavailable, StoreUnavailable
from repository.exhibits import find_exhibit
from repository.keyring import Rewrapped, Wrapped, WrappingKey, file_of
from repository.models import DataKey, Exhibit
from repository.people import new_person
from repository.purpose import parse
from repository.retrieve import retrieve
from repository.rules import Approval
from repository.submissions import Declaration, open_submission
from tests.house import CODE, make_house, run
from tests.repository.test_backup import backed_up, bare_machine, lost, read, shares, with_key
from tests.softhsm import PIN, token_or_skip

FILES = {"a": b"first", "b": b"second" * 50_000, "c": b""}


@pytest.fixture
def house(tmp_path):
    found = make_house(tmp_path, replica_store_url=(tmp_path / "second").as_uri())
    file = found.data / "config.toml"
    url = found.repo.settings.replica_store_url
    file.write_text(file.read_text() + f'replica_store_url = "{url}"\n')
    new_person(found.repo, found.custodian, name="second", role="custodian")
    yield found
    found.repo.close()


@pytest.fixture
def numbers(house, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    taken = sorted(line["exhibit"] for line in house.ingest(folder))
    replicate(house.repo)
    replicate_ledger(house.repo)
    return dict(zip(taken, FILES.values(), strict=True))


def asked_for(house, *words):
    said = house.evidence("kek", "rotate", "--motive", "a disk was stolen", *words)
    assert said.code == 0, said.err
    return said.lines[0]


def agreed(house, approval):
    return house.evidence("approval", "give", approval, "--motive", "yes", person="second")


def in_use(house):
    """Bring another key into use; return its id."""
    asked = asked_for(house)
    chores.done(house.repo, chores.BACKUP)  # as a backup notes it
    said = agreed(house, asked["approval"])
    assert said.code == 0, said.err
    return asked["kek"]


def rewrapped(house):
    said = house.evidence("kek", "rewrap")
    assert said.code == 0, said.err
    return said.lines[0]["rewrapped"]


def bytes_of(house, number, repo=None):
    return b"".join(retrieve(repo or house.repo, house.caller("analyst"), number, purpose="court"))


def taken_in(repo, house, content):
    actor, sources = house.caller("investigator").actor(), [b"late"]
    declaration = Declaration(parse("court"))
    submission, _ = open_submission(repo, actor, house.case, declaration, sources=sources)
    return receive(
        repo, actor, house.case, submission, io.BytesIO(content), path=b"late",
        size=len(content), declared={},
    ).number  # fmt: skip


def subject(house, number):
    with house.repo.database.reading() as session:
        return find_exhibit(session, number).id


def forms(house, one):
    return [
        [form.key for form in keys.stored_forms(house.repo, store, one)]
        for store in house.repo.stores.values()
    ]


def test_everything_is_wrapped_by_the_new_key_and_reads_as_before_without_the_old(house, numbers):
    stored = [
        [one.to_json() for one in store.versions("evidence")]
        for store in house.repo.stores.values()
    ]
    kek = in_use(house)
    for number, content in numbers.items():
        assert bytes_of(house, number) == content
    assert rewrapped(house) == len(FILES) + 1  # and the house's own
    with house.repo.database.reading() as session:
        assert set(session.scalars(select(DataKey.kek))) == {kek}
    for number in numbers:
        one = subject(house, number)
        assert forms(house, one) == [[keys.name_of(one, kek)]] * 2
    assert stored == [
        [one.to_json() for one in store.versions("evidence")]
        for store in house.repo.stores.values()
    ]
    (house.data / "keys" / "kek.json").unlink()
    house.repo.close()
    anew = open_repository(house.repo.settings)
    for number, content in numbers.items():
        assert bytes_of(house, number, anew) == content
    anew.close()
    listed = {line["state"]: line for line in house.evidence("kek", "list").lines}
    assert (listed["in-use"]["kek"], listed["in-use"]["data_keys"]) == (kek, len(FILES) + 1)
    reasons = [e.fields.get("reason") for e in house.entries()]
    for reason in (rewrapping.CHANGED, rewrapping.REWRAPPED, rewrapping.REPLACED):
        assert reasons.count(reason) == 1
    assert house.evidence("verify", *numbers).code == 0
    assert rewrapped(house) == 0


def test_it_takes_a_second_person_and_a_backup_of_the_key(house, numbers):
    asked = asked_for(house)
    words = ("approval", "give", asked["approval"], "--motive", "m")
    assert house.evidence(*words).code == 4
    said = agreed(house, asked["approval"])
    assert said.code == 2
    assert "evidence backup" in said.err
    assert rewrapped(house) == 0
    listed = {line["kek"]: line for line in house.evidence("kek", "list").lines}
    assert listed[asked["kek"]]["state"] == "waiting"
    assert house.evidence("kek", "rotate", "--motive", "m", person="analyst").code == 4
    elsewhere = house.evidence("kek", "rotate", "--motive", "m", "--to", "file:///tmp/kek.json")
    assert elsewhere.code == 2
    assert len(elsewhere.err.splitlines()) == 1


def test_a_process_that_began_before_reads_and_takes_in_with_the_new_key(house, numbers):
    before = open_repository(house.repo.settings)
    kek = in_use(house)
    rewrapped(house)
    for number, content in numbers.items():
        assert bytes_of(house, number, before) == content
    taken = taken_in(before, house, b"late")
    before.close()
    assert keys.wrapped_key(house.repo, subject(house, taken)).kek == kek
    assert bytes_of(house, taken) == b"late"
    assert len(forms(house, subject(house, taken))[0]) == 1


def test_an_upload_under_way_ends_with_the_new_key_in_the_store_too(house, numbers, monkeypatch):
    begun = open_repository(house.repo.settings)
    put, keks = begun.store.put, []

    def meanwhile(blocks, **more):
        """Change the keys while its bytes are stored: its data key was drawn before."""
        if not keks:
            keks.append(in_use(house))
            [said] = house.evidence("kek", "rewrap").lines
            assert said["left"] == 1
        return put(blocks, **more)

    monkeypatch.setattr(begun.store, "put", meanwhile)
    taken = taken_in(begun, house, b"on its way")
    begun.close()
    one = subject(house, taken)
    assert rewrapping.unfinished(house.repo) == 1
    assert bytes_of(house, taken) == b"on its way"
    rewrapped(house)
    assert forms(house, one)[0] == [keys.name_of(one, keks[0])]
    assert rewrapping.unfinished(house.repo) is None
    assert bytes_of(house, taken) == b"on its way"


@contextmanager
def broken_store(monkeypatch, house, name, after):
    """Have an operation of the second store fail once it was called some times."""
    store, calls = house.repo.replica, []
    real = getattr(store, name)

    def failing(*words, **more):
        calls.append(name)
        if len(calls) > after:
            raise StoreUnavailable("away")
        return real(*words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(store, name, failing)
        yield


@pytest.mark.parametrize("name", ["put", "destroy", "find"])
@pytest.mark.parametrize("after", [0, 1])
def test_broken_off_it_goes_on_and_everything_reads_meanwhile(
    house, numbers, monkeypatch, name, after
):
    kek = in_use(house)
    some = rewrapping.waiting(house.repo, limit=2)
    with broken_store(monkeypatch, house, name, after), pytest.raises(StoreUnavailable):
        rewrapping.rewrap(house.repo, some)
    assert rewrapping.unfinished(house.repo)
    for number, content in numbers.items():
        assert bytes_of(house, number) == content
    rewrapped(house)
    for number, content in numbers.items():
        one = subject(house, number)
        assert forms(house, one) == [[keys.name_of(one, kek)]] * 2
        assert bytes_of(house, number) == content
    assert rewrapping.unfinished(house.repo) is None


def test_what_is_erased_while_keys_are_wrapped_anew_comes_back_nowhere(
    house, numbers, monkeypatch, tmp_path
):
    in_use(house)
    [number, *_] = numbers
    one = subject(house, number)
    (tmp_path / "order").write_bytes(b"order")
    words = ("--order", tmp_path / "order", "--motive", "m")
    name = house.evidence("erase", "request", number, *words).lines[0]["erasure"]
    put = house.repo.store.put

    def meanwhile(blocks, **more):
        """Erase it just before its new form is written into the store."""
        monkeypatch.undo()
        erasure.approve(house.repo, house.caller("second"), name, motive="m")
        return put(blocks, **more)

    monkeypatch.setattr(house.repo.store, "put", meanwhile)
    rewrapping.rewrap(house.repo, [one])
    assert forms(house, one) == [[], []]
    with house.repo.database.reading() as session:
        assert session.get(Exhibit, one).erased_at is not None
    rewrapped(house)
    assert forms(house, one) == [[], []]
    assert rewrapping.unfinished(house.repo) is None


def test_the_log_of_a_module_is_explained_by_the_entries_and_by_nothing_else(
    house, numbers, tmp_path
):
    [number, *_] = numbers
    old = keys.wrapped_key(house.repo, subject(house, number)).wrapped
    in_use(house)
    rewrapped(house)
    log = tmp_path / "unwraps.log"
    settings = house.data / "config.toml"
    settings.write_text(settings.read_text() + f'unwrap_log_file = "{log}"\n')

    def checked(times):
        at = datetime.now(UTC).isoformat()
        line = json.dumps({"at": at, "operation": "unwrap", "wrapped": old.hex()})
        log.write_text(f"{line}\n" * times)
        return house.evidence("verify", "--unwraps")

    assert checked(2).code == 0  # one for its registration, one when it was wrapped anew
    assert checked(3).code == 1
    with house.repo.database.writing() as session:  # who hides a reading adds to the list
        [row, *_] = session.scalars(select(Rewrapped))
        session.add(
            Rewrapped(wrapped_sha256="0" * 64, subject=row.subject, at=row.at, entry=row.entry)
        )
    assert checked(2).code == 1


def test_a_backup_of_before_the_change_restores_what_was_taken_in_after_it(tmp_path):
    house = make_house(tmp_path)
    new_person(house.repo, house.custodian, name="second", role="custodian")
    (tmp_path / "one").write_bytes(b"before")
    [first] = house.ingest(tmp_path / "one")
    with_key(house, tmp_path / "shares")
    asked = asked_for(house)
    file = backed_up(house, tmp_path / "backups")
    assert agreed(house, asked["approval"]).code == 0
    rewrapped(house)
    (tmp_path / "two").write_bytes(b"after")
    [later] = house.ingest(tmp_path / "two")
    store = lost(house, tmp_path / "survived")
    with bare_machine():
        data = tmp_path / "new"
        said = run(
            "--data", data, "--json", "restore", file, *shares(tmp_path / "shares", 3, 1),
            "--store", store, "--read-all",
        )  # fmt: skip
        assert said.code == 0, said.err
        for number, content in ((first["exhibit"], b"before"), (later["exhibit"], b"after")):
            done, found = read(data, number, tmp_path)
            assert done.code == 0, done.err
            assert found == content


def test_no_backup_is_made_where_a_later_key_is_not_and_one_in_a_module_is_named(house, tmp_path):
    with_key(house, tmp_path / "shares")
    asked = asked_for(house)
    file = file_of(house.data / "keys", asked["kek"])
    file.rename(tmp_path / "kek")
    said = house.evidence("backup", "--out", tmp_path)
    assert said.code == 3
    assert file.name in said.err
    (tmp_path / "kek").rename(file)
    with house.repo.database.writing() as session:
        uri = "pkcs11:token=T;object=K?module-path=/m"
        session.add(WrappingKey(id="of-a-module", uri=uri, made_at=house.repo.clock()))
    [made] = house.evidence("backup", "--out", tmp_path).lines
    assert made["elsewhere"] == ["kek rotate: pkcs11:token=T;object=K"]


def test_a_move_of_the_store_and_a_change_of_keys_wait_for_each_other(house, numbers, tmp_path):
    in_use(house)
    said = house.evidence("store", "move", "--to", (tmp_path / "elsewhere").as_uri())
    assert said.code == 2
    assert "kek rewrap" in said.err
    assert house.evidence("kek", "rotate", "--motive", "again").code == 2
    rewrapped(house)
    actor, target = house.custodian, move.Target((tmp_path / "elsewhere").as_uri())
    begun = move.begin(house.repo, actor, target)
    said = house.evidence("kek", "rotate", "--motive", "again")
    assert (said.code, "store move" in said.err) == (2, True)
    move.run(house.repo, actor, begun, lambda _: None)
    in_use(house)
    rewrapped(house)
    for number, content in numbers.items():
        assert bytes_of(house, number) == content
        assert len(forms(house, subject(house, number))[0]) == 1


def test_a_machine_without_the_new_key_says_so_in_one_line(house, numbers):
    kek = in_use(house)
    rewrapped(house)
    file_of(house.data / "keys", kek).rename(house.data / "keys" / "away")
    said = house.evidence("list", "--case", CODE)
    assert said.code == 3
    assert kek in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.hsm
def test_the_next_key_may_be_in_a_module(house, numbers, tmp_path, tmp_path_factory):
    uri = token_or_skip(tmp_path_factory.mktemp("hsm"), f"kek-{os.urandom(4).hex()}")
    (tmp_path / "pin").write_bytes(PIN)
    asked = asked_for(house, "--to", f"{uri.format('kek')}&pin-source=file:{tmp_path}/pin")
    assert agreed(house, asked["approval"]).code == 0  # it is never in a backup
    rewrapped(house)
    for number, content in numbers.items():
        assert bytes_of(house, number) == content
        assert keys.wrapped_key(house.repo, subject(house, number)).kek == asked["kek"]


def test_without_its_row_a_key_of_a_later_time_is_found_by_its_file(house, numbers):
    kek = in_use(house)
    rewrapped(house)
    one = subject(house, next(iter(numbers)))
    with house.repo.database.writing() as session:
        session.execute(delete(DataKey).where(DataKey.subject == one))
    assert keys.wrapped_key(house.repo, one).kek == kek
    assert len(keys.unwrap(house.repo, one)) == 32


def test_what_no_approval_agreed_to_is_not_used(house):
    made = rewrapping.make(house.repo, None)
    with house.repo.database.writing() as session:
        row = Approval(id="APR-x", act="configuration_change", asked={}, index=0)
        with pytest.raises(BadRequest, match="backup"):
            rewrapping.use(house.repo, session, house.custodian, made.id, row)
    with pytest.raises(KeyUnavailable, match="kek"):
        house.repo.kek.unwrap(Wrapped("0" * 16, bytes(40)))


def test_late_wrapping_needs_a_person(house, numbers):
    in_use(house)

    def found(days):
        repo = replace(house.repo, clock=lambda: datetime.now(UTC) + timedelta(days=days))
        return next(one for one in measures(repo) if one.name == "wrapping-key")

    assert (found(0).state, found(0).value) == ("well", len(FILES) + 1)
    assert found(3).state == "act"
    rewrapped(house)
    assert found(3).state == "well"

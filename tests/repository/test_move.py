"""The whole store moves: nothing is lost, whatever interrupts it, and it is read all the while."""

import io
import os
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from api.commands.context import login
from api.commands.moving import settings_of
from config.settings import load
from repository import holds, move, moving, open_repository, terms
from repository.errors import IntegrityError, StoreFull, StoreUnavailable, StoreUnfit
from repository.exhibits import find_exhibit
from repository.keys import in_store
from repository.models import Exhibit
from repository.moving import last_move
from repository.retrieve import recorded_parts, retrieve
from repository.stores import LOCKED, Access, Stored, open_store
from repository.stores.copying import copy_object
from repository.stores.folder import FolderStore
from tests.ceph import ceph
from tests.house import House, make_house, reopen

DATA = {f"{n}.bin": os.urandom(100 + n) for n in range(3)}


@pytest.fixture
def house(tmp_path):
    found = make_house(tmp_path)
    (tmp_path / "in").mkdir()
    for name, data in DATA.items():
        (tmp_path / "in" / name).write_bytes(data)
    found.ingest(tmp_path / "in")
    yield found
    found.repo.close()


def url_of(tmp_path) -> str:
    return (tmp_path / "new").as_uri()


def exhibits(house) -> list[Exhibit]:
    with house.repo.database.reading() as session:
        return list(session.scalars(select(Exhibit).order_by(Exhibit.number)))


def listed(house) -> list[str]:
    return [one.number for one in exhibits(house)]


def read(house, number) -> bytes:
    reading = retrieve(house.repo, house.caller("analyst"), number, purpose="analysis")
    return b"".join(reading)


def exhibit_of(house, number) -> Exhibit:
    with house.repo.database.reading() as session:
        found = find_exhibit(session, number)
    assert found is not None
    return found


def moved(house, url, *more):
    return house.evidence("store", "move", "--to", url, *more)


def switched(house, url, **more) -> House:
    """Set what the command says, and start again."""
    house.repo.close()
    settings = house.repo.settings.model_copy(update={"store_url": url, **more})
    house.repo = open_repository(settings)
    return house


def everything(store) -> set[tuple[str, str]]:
    return {
        (bucket, one.key)
        for bucket in ("evidence", "derived", "ledger", "keys", "staging")
        for one in store.versions(bucket)
        if not one.key.startswith("canary/")
    }


def test_all_is_in_the_new_store_locked_as_before_and_each_exhibit_has_an_entry(house, tmp_path):
    before = everything(house.repo.store)
    said = moved(house, url_of(tmp_path))
    assert said.code == 0, said.err
    assert said.lines[-1]["state"] == "ended"
    assert said.lines[-1]["objects"] == said.lines[-1]["objects_in_all"] == len(before)
    entries = [one.fields for one in house.entries() if one.fields["type"] == "migration"]
    assert len(entries) == len(DATA)
    assert all(one["inputs"] == one["outputs"] for one in entries)
    old = house.repo.store.places(anew=True).source
    assert everything(old) == before  # nothing was removed from it
    (house.data / "store").rename(tmp_path / "away")
    switched(house, url_of(tmp_path))
    assert sorted(read(house, number) for number in listed(house)) == sorted(DATA.values())
    for number in listed(house):
        [part] = recorded_parts(house.repo, exhibit_of(house, number))
        held = house.repo.store.stat(part.objects[0])
        assert (held.hold, held.retain_until) == (True, part.objects[0].retain_until)
    store = f'store_url = "{url_of(tmp_path)}"\n'
    (house.data / "config.toml").write_text((house.data / "config.toml").read_text() + store)
    said = house.evidence("verify", "--objects")
    assert said.code == 0, said.out


def test_during_a_move_what_is_new_goes_to_the_new_store_and_all_is_read(
    house, tmp_path, monkeypatch
):
    other = reopen(house.repo.settings)  # a service that runs on
    first = listed(house)
    copy = move._carry
    count = []

    def stops(repo, places, one):
        count.append(one)
        if len(count) > 7:
            raise StoreUnavailable("the line is cut")
        return copy(repo, places, one)

    monkeypatch.setattr(move, "_carry", stops)
    assert moved(house, url_of(tmp_path)).code == 3
    monkeypatch.undo()
    other.store.places(anew=True)  # it looks once a second
    assert other.store.places().source is not None
    other.close()
    (tmp_path / "late").write_bytes(b"came during the move")
    [line] = house.ingest(tmp_path / "late")
    key = house.stored_file(line["exhibit"]).relative_to(house.data / "store")
    assert (tmp_path / "new" / key).exists()
    assert not (house.data / "store" / key).exists()
    assert read(house, line["exhibit"]) == b"came during the move"
    assert {read(house, number) for number in first} == set(DATA.values())
    said = house.evidence("store", "move", "--status")
    assert said.lines[0]["state"] == "going-on"
    assert 0 < said.lines[0]["objects"] < said.lines[0]["objects_in_all"]
    assert moved(house, url_of(tmp_path)).lines[-1]["state"] == "ended"
    assert house.types().count("migration/done") == len(DATA)  # not of what was never there
    switched(house, url_of(tmp_path))
    assert read(house, line["exhibit"]) == b"came during the move"


def test_a_process_that_has_not_heard_of_the_move_finds_what_is_new_all_the_same(
    house, tmp_path, monkeypatch
):
    monkeypatch.setattr(move, "_carry", _cut)
    late = reopen(house.repo.settings)
    late.store.places(anew=True)
    monkeypatch.setattr(moving, "_ASK", 3600.0)
    assert moved(house, url_of(tmp_path)).code == 3
    (tmp_path / "late").write_bytes(b"came during the move")
    [line] = house.ingest(tmp_path / "late")
    assert late.store.places().source is None
    assert read(House(late, house.data), line["exhibit"]) == b"came during the move"
    late.close()


def _cut(*_: object) -> None:
    raise StoreUnavailable("the line is cut")


@pytest.mark.parametrize("at", [0, 7, 12])
def test_killed_anywhere_the_same_command_ends_it(house, tmp_path, monkeypatch, at):
    steps = []
    for name in ("_carry", "_note", "_settle"):
        whole = getattr(move, name)

        def dies(*arguments, whole=whole):
            steps.append(whole)
            if len(steps) > at:
                raise KeyboardInterrupt
            return whole(*arguments)

        monkeypatch.setattr(move, name, dies)
    with pytest.raises(KeyboardInterrupt):
        move.run(
            house.repo,
            house.custodian,
            move.begin(house.repo, house.custodian, move.Target(url_of(tmp_path))),
            lambda _: None,
        )
    monkeypatch.undo()
    said = moved(house, url_of(tmp_path))
    assert said.code == 0, said.err
    assert house.types().count("migration/done") == len(DATA)
    switched(house, url_of(tmp_path))
    assert {read(house, number) for number in listed(house)} == set(DATA.values())


def test_a_store_that_fills_up_in_the_middle_stops_it_in_one_line(house, tmp_path, monkeypatch):
    put = FolderStore.put

    def full(store, blocks, **more):
        if store.root == tmp_path / "new" and more["bucket"] == "evidence":
            raise StoreFull("the disk of the new store is full; make room and try again")
        return put(store, blocks, **more)

    move.begin(house.repo, house.custodian, move.Target(url_of(tmp_path)))
    monkeypatch.setattr(FolderStore, "put", full)
    said = moved(house, url_of(tmp_path))
    assert said.code == 3
    assert said.err == "evidence: the disk of the new store is full; make room and try again\n"
    monkeypatch.undo()
    assert moved(house, url_of(tmp_path)).code == 0


def test_another_repositorys_store_is_refused_and_so_is_one_that_holds_anything(house, tmp_path):
    (tmp_path / "others").mkdir()
    others = make_house(tmp_path / "others") if house.repo.database.dialect == "sqlite" else None
    if others is not None:
        said = moved(house, (others.data / "store").as_uri())
        assert said.code == 3
        assert "is another repository's" in said.err
        others.repo.close()
    FolderStore(tmp_path / "used").put([b"x"], bucket="evidence", key="o/x")
    said = moved(house, (tmp_path / "used").as_uri())
    assert said.code == 3
    assert "is not empty and holds no ledger of ours" in said.err
    said = moved(house, (house.data / "store").as_uri())
    assert "is a store of this repository already" in said.err
    assert house.evidence("store", "move", "--status").lines == [{"state": "none"}]


def test_a_store_with_weaker_locks_is_refused(house, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        probe = FolderStore.probe

        def strong(store):
            found = probe(store)
            return found if store.root == tmp_path / "new" else type(found)("compliance")

        patch.setattr(FolderStore, "probe", strong)
        said = moved(house, url_of(tmp_path))
    assert said.code == 3
    assert "are weaker (mode) than those of now (compliance)" in said.err


def test_two_administrators_one_move(house, tmp_path):
    row = move.begin(house.repo, house.custodian, move.Target(url_of(tmp_path)))
    said = moved(house, (tmp_path / "elsewhere").as_uri())
    assert said.code == 2
    assert f"a move to {url_of(tmp_path)} is under way; end it first" in said.err
    other = reopen(house.repo.settings)  # on another machine, at the same moment
    for repo in (house.repo, other):
        move.run(repo, house.custodian, row, lambda _: None)
    other.close()
    assert house.types().count("migration/done") == len(DATA)


def test_the_settings_cannot_name_a_store_before_all_is_there(house, tmp_path):
    move.begin(house.repo, house.custodian, move.Target(url_of(tmp_path)))
    with pytest.raises(StoreUnfit, match="is not complete: leave store_url as it was"):
        switched(house, url_of(tmp_path)).repo.store.places()


def test_holds_and_terms_of_during_a_move_are_those_of_the_new_store(house, tmp_path):
    custodian = house.caller(login())
    one, two, _ = listed(house)
    row = move.begin(house.repo, house.custodian, move.Target(url_of(tmp_path)))
    holds.place(house.repo, custodian, one, matter="a matter", authority=None, motive="asked")
    move.run(house.repo, house.custodian, row, lambda _: None)
    holds.place(house.repo, custodian, two, matter="another", authority=None, motive="asked")
    later = datetime.now(UTC) + timedelta(days=300)
    with_time = open_repository(house.repo.settings, clock=lambda: later)
    assert terms.renew(with_time) == len(DATA)
    with_time.close()
    new = FolderStore(tmp_path / "new", house.repo.store.places().target._access)
    for number in listed(house):
        [part] = recorded_parts(house.repo, exhibit_of(house, number))
        held = new.stat(part.objects[0])
        assert held.hold
        assert held.retain_until > later + timedelta(days=360)


def test_what_is_erased_during_a_move_has_its_key_in_neither_store(house, tmp_path):
    from repository import erasure
    from repository.people import new_person

    number = listed(house)[0]
    exhibit = exhibit_of(house, number)
    new_person(house.repo, house.custodian, name="second", role="custodian")
    row = move.begin(house.repo, house.custodian, move.Target(url_of(tmp_path)))
    move.run(house.repo, house.custodian, row, lambda _: None)
    asked = erasure.request(
        house.repo, house.caller(login()), number, order="sha256:" + "1" * 64, motive="order"
    )
    erasure.approve(house.repo, house.caller("second"), asked.id, motive="order")
    places = house.repo.store.places()
    assert in_store(house.repo, places.source, exhibit.id) is None
    assert in_store(house.repo, places.target, exhibit.id) is None


def test_a_damaged_object_is_named_and_the_move_is_not_ended(house, tmp_path):
    number = listed(house)[1]
    house.flip(number, 40)
    said = moved(house, url_of(tmp_path))
    assert said.code == 1
    assert said.lines[0]["subject"] == number
    assert said.lines[-1]["state"] == "going-on"
    house.flip(number, 40)
    assert moved(house, url_of(tmp_path)).lines[-1]["state"] == "ended"


@pytest.mark.ceph
def test_from_a_folder_to_an_s3_service_and_what_it_calls_versions(house, tmp_path):
    keys = ceph()
    for name in ("access", "secret"):
        (tmp_path / name).write_text(keys[f"S3_{name.upper()}_KEY"])
    host = keys["S3_ENDPOINT"].removeprefix("http://")
    url = f"s3+http://{host}/?prefix=v{os.urandom(3).hex()}-&mode=GOVERNANCE"
    files = ("--access-key-file", tmp_path / "access", "--secret-key-file", tmp_path / "secret")
    said = moved(house, url, *files)
    assert said.code == 0, said.err
    with house.repo.database.reading() as session:
        assert f'store_secret_key_file = "{tmp_path}/secret"' in settings_of(last_move(session))
    (house.data / "store").rename(tmp_path / "away")
    switched(house, url, store_access_key_file=files[1], store_secret_key_file=files[3])
    assert sorted(read(house, number) for number in listed(house)) == sorted(DATA.values())
    for exhibit in exhibits(house):
        [part] = recorded_parts(house.repo, exhibit)
        for one in (*part.objects, part.manifest):
            held: Stored = house.repo.store.stat(one)
            assert held.version != one.version
            assert held.hold
            assert held.retain_until >= one.retain_until
            assert house.repo.store.verify(one).outcome == "pass"
    assert {bucket for bucket, _ in everything(house.repo.store)} >= set(LOCKED)
    assert load(house.data).store_url == ""  # the command changes no settings


class OnceWrong:
    """A store whose n-th reading gives one wrong bit."""

    def __init__(self, real, n):
        self._real, self._left = real, n

    def __getattr__(self, name):
        return getattr(self._real, name)

    def open(self, stored):
        self._left -= 1
        with self._real.open(stored) as file:
            data = bytearray(file.read())
        if not self._left:
            data[0] ^= 1
        return io.BytesIO(data)


@pytest.mark.parametrize("n", [1, 2])
def test_a_wrong_bit_of_one_reading_is_never_copied_where_no_digest_was_recorded(
    house, tmp_path, n
):
    one = next(iter(house.repo.store.versions("ledger", "checkpoint/")))
    assert not one.sha256
    target = open_store(url_of(tmp_path), Access(secret_key="second"))
    target.prepare()
    at = house.repo.clock()
    with pytest.raises(IntegrityError):
        copy_object(OnceWrong(house.repo.store, n), one, target, one.key, at=at)
    assert list(target.versions("ledger")) == []
    assert copy_object(house.repo.store, one, target, one.key, at=at).size == one.size

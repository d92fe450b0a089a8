"""What a worker finds to do in the tables: uploads, staged bytes, copies, locks, fixity."""

import os
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from ingest import pieces, writer
from ingest.duties import TRIES, Processors, counts, duties
from repository import fixity, reconcile, setbacks
from repository.models import Exhibit, Intake, ObjectCheck, Piece, Setback
from tests.house import make_house
from tests.ingest.uploading import Time, desk_of

DATA = os.urandom(3_000_000)


@pytest.fixture
def desk(house, monkeypatch):
    monkeypatch.setattr(writer, "SMALL", 1_000_000)  # what is larger is left to workers
    return desk_of(house)


@pytest.fixture
def two(tmp_path):
    """Return a house with a second store, and a clock that goes on when it is told to."""
    found = make_house(tmp_path, replica_store_url=(tmp_path / "second").as_uri())
    (found.data / "config.toml").write_text(
        (found.data / "config.toml").read_text()
        + f'replica_store_url = "{found.repo.settings.replica_store_url}"\n'
    )
    yield found
    found.repo.close()


def arrived(desk):
    upload = desk.append(desk.begin(length=len(DATA)), 0, DATA[:1_000_000])
    upload = desk.append(upload, 1_000_000, DATA[1_000_000:])
    assert upload.state == "arrived"
    return upload


def duty(repo, name, said=None):
    processors = Processors(repo)
    said = said if said is not None else []
    [found] = [one for one in duties(repo, processors, said.append) if one.name == name]
    return found


def scalars(repo, query):
    with repo.database.reading() as session:
        return list(session.scalars(query))


def take(house, count):
    folder = house.data / "in"
    folder.mkdir(exist_ok=True)
    for n in range(count):
        (folder / f"{n}").write_bytes(os.urandom(200))
    said = house.evidence("ingest", folder, "--case", "KRN", "--no-extract")
    return [line["exhibit"] for line in said.lines]


# -- uploads


def test_an_upload_that_arrived_is_finished_looked_at_and_published(desk):
    upload = arrived(desk)
    assert counts(desk.repo)["finish"] == 1
    said = desk.house.evidence("worker", "--once")
    assert said.code == 0, said.err
    done = desk.row(upload)
    assert done.state == "done"
    assert desk.content(done.results[0]["exhibit"]) == DATA
    assert desk.registrations() == 1
    assert scalars(desk.repo, select(Exhibit.processed_at)) != [None]
    assert desk.staged() == []


def test_an_upload_that_cannot_be_finished_is_given_up_on_record_and_its_bytes_stay(desk):
    upload = arrived(desk)
    with desk.repo.database.writing() as session:
        [row] = session.scalars(select(Piece).where(Piece.start == 0))
        columns = [one.name for one in Piece.__table__.columns]
        taken = Piece(**{name: getattr(row, name) for name in columns})
        session.delete(row)  # somebody took a piece of it out of the database
    left = desk.staged()
    while counts(desk.repo)["given_up"] == 0:  # in three runs, or fewer where one takes long
        assert desk.house.evidence("worker", "--once").code == 3
    assert [row.tries for row in scalars(desk.repo, select(Setback))] == [TRIES]
    entry = desk.house.last("upload_abandoned")
    assert (entry["outcome"], entry["reason"]) == ("error", "not-finished")
    assert desk.row(upload).state == "arrived"
    assert desk.staged() == left
    before = len(desk.house.entries())
    assert desk.house.evidence("worker", "--once").code == 0  # it is not tried for ever
    assert len(desk.house.entries()) == before
    assert desk.house.evidence("worker", "--once", "--again").code == 3  # once more, in vain
    assert counts(desk.repo)["given_up"] == 1
    with desk.repo.database.writing() as session:
        session.add(taken)
    assert desk.house.evidence("worker", "--once", "--again").code == 0
    assert desk.row(upload).state == "done"
    assert counts(desk.repo)["given_up"] == 0


def test_uploads_nobody_went_on_with_expire_and_staged_bytes_nobody_names_are_swept(desk):
    upload = desk.append(desk.begin(length=len(DATA)), 0, DATA[:1_500_000])
    orphan = pieces.write(desk.repo, None, [b"left by a crash"])[0]
    clock = Time()
    clock.at = desk.repo.clock() + timedelta(days=desk.repo.settings.upload_days + 1)
    later = replace(desk.repo, clock=clock)
    for name in ("expire", "sweep"):
        found = duty(later, name)
        [due] = found.find(1)
        assert found.do([due.id]) == {}
        assert found.find(1) == []
    assert desk.row(upload).state == "ended"
    assert desk.repo.store.find("staging", orphan.key) is None
    assert scalars(desk.repo, select(func.count()).select_from(Piece)) == [0]


def test_a_part_that_waits_for_the_rest_of_its_thing_is_not_abandoned(desk):
    """Three weeks of a bad line: what is stored of an announced thing is no leftover."""
    files = [(b"disk.E01", b"a" * 1_000), (b"disk.E02", b"b" * 1_000)]
    desk.announce(files, things={1: (1, 1), 2: (1, 2)})
    desk.append(desk.begin(length=1_000, files=(1, 1)), 0, files[0][1])
    assert desk.announced()[0].state == "stored"
    later = replace(desk.repo, clock=lambda: desk.repo.clock() + timedelta(days=21))
    assert reconcile.reconcile(later) == []
    desk.append(desk.begin(length=1_000, files=(2, 2)), 0, files[1][1])
    assert {one.state for one in desk.announced()} == {"registered"}
    assert set(scalars(desk.repo, select(Intake.state))) == {"registered"}


# -- copies, locks, fixity


def test_once_copies_checks_and_renews_what_is_due(two):
    numbers = take(two, 5)
    assert counts(two.repo)["copy"] == 5
    assert two.evidence("worker", "--once").code == 0
    assert counts(two.repo)["copy"] == 0
    clock = Time()
    clock.at = two.repo.clock() + timedelta(days=200)
    later = replace(two.repo, clock=clock)
    for name, kind in (("check", "fixity_check"), ("lock", "retention_change")):
        found = duty(later, name)
        waiting = found.find(100)
        assert len(waiting) == len(numbers)
        assert all(one.mark for one in waiting)  # the same exhibits, another time: another id
        assert found.do([one.id for one in waiting]) == {}
        assert found.find(100) == []
        assert len([e for e in two.entries() if e.fields["type"] == kind]) == len(numbers)


def test_what_is_done_twice_at_once_is_done_once(two):
    take(two, 3)
    copying = duty(two.repo, "copy")
    ids = [one.id for one in copying.find(10)]
    assert copying.do(ids) == copying.do(ids) == {}
    assert len([e for e in two.entries() if e.fields["type"] == "replication"]) == 3


def test_when_each_object_and_copy_was_verified_is_known_and_listed(two, tmp_path):
    [number] = take(two, 1)
    assert two.evidence("worker", "--once").code == 0
    rows = two.evidence("store", "list").lines
    assert {(row["place"], row["verified"]) for row in rows} == {
        ("primary", "stored"), ("replica", "stored"),
    }  # fmt: skip
    assert two.evidence("verify", number).code == 0
    rows = two.evidence("store", "list").lines
    assert len(rows) == 4
    assert {row["verified"] for row in rows} == {"pass"}
    assert min(row["verified_at"] for row in rows) > "2026"


def test_a_copy_that_could_not_be_read_keeps_its_exhibit_first_in_line(two, tmp_path):
    take(two, 2)
    assert two.evidence("worker", "--once").code == 0
    clock = Time()
    clock.at = two.repo.clock() + timedelta(days=100)
    later = replace(two.repo, clock=clock)
    first = fixity.overdue(later, limit=1)
    (tmp_path / "second").rename(tmp_path / "away")
    (tmp_path / "second").write_text("no folder")
    said = []
    left = duty(later, "check", said).do(first)
    assert list(left) == first  # put off, not forgotten
    assert said
    checks = scalars(two.repo, select(ObjectCheck.place))
    assert set(checks) == {"primary"}
    assert first[0] in fixity.overdue(later, limit=2)
    (tmp_path / "second").unlink()
    (tmp_path / "away").rename(tmp_path / "second")
    assert duty(later, "check").do(first) == {}
    assert first[0] not in fixity.overdue(later, limit=2)
    assert set(scalars(two.repo, select(ObjectCheck.place))) == {"primary", "replica"}


def test_what_is_damaged_without_a_copy_is_read_again_in_its_turn_and_blocks_nobody(house):
    numbers = take(house, 3)
    house.flip(numbers[0], position=50)
    clock = Time()
    clock.at = house.repo.clock() + timedelta(days=100)
    later = replace(house.repo, clock=clock)
    said = []
    checking = duty(later, "check", said)
    assert checking.do([one.id for one in checking.find(10)]) == {}
    assert len(said) == 1
    assert checking.find(10) == []
    rows = house.evidence("store", "list").lines
    assert sorted(row["verified"] for row in rows) == ["fail", *["pass"] * 5]


def test_the_rolling_schedule_takes_its_share_and_never_what_was_read_lately(house):
    take(house, 48)
    clock = Time()
    clock.at = house.repo.clock() + timedelta(days=1)
    later = replace(house.repo, clock=clock)
    hour = timedelta(hours=1)
    assert fixity.ahead(later, hour) == []
    clock.passes(days=house.repo.settings.fixity_days / 2)
    share = fixity.ahead(later, hour)
    assert len(share) == 1  # of 48 in 90 days: one an hour is more than enough
    list(fixity.check_exhibits(later, share))
    assert share[0] not in fixity.ahead(later, timedelta(days=90))


def test_with_the_store_away_nothing_is_given_up(house):
    take(house, 3)
    store = house.data / "store"
    store.rename(house.data / "elsewhere")
    store.write_text("no folder")
    for _ in range(5):
        assert house.evidence("worker", "--once").code == 3
    assert counts(house.repo)["given_up"] == 0
    whole = [row for row in scalars(house.repo, select(Setback)) if row.subject == setbacks.WHOLE]
    assert {row.duty for row in whole} >= {"look"}
    store.unlink()
    shutil.move(house.data / "elsewhere", store)
    assert house.evidence("worker", "--once").code == 0
    assert counts(house.repo)["look"] == 0
    rows = [row for row in scalars(house.repo, select(Setback)) if row.duty == "look"]
    assert rows == []

"""The life of stored bytes: copied, checked, repaired, locked again, and erased by order."""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from custody.errors import EvidenceError
from ingest.receive import receive
from ingest.staging import intend, stage
from repository import copies, fixity, flows, keys, reconcile, terms, trial, upkeep
from repository.errors import Erased, KeyUnavailable, StoreUnfit
from repository.keyring import Wrapped
from repository.models import DataKey, Exhibit
from repository.purpose import parse
from repository.retrieve import recorded_parts, retrieve
from repository.stores.folder import FolderStore
from repository.submissions import Declaration, open_submission
from tests.house import CODE, make_house

DATA = os.urandom(3_300_000)


@pytest.fixture
def house(tmp_path):
    found = make_house(tmp_path, replica_store_url=(tmp_path / "second").as_uri())
    yield found
    found.repo.close()


@pytest.fixture
def number(house, tmp_path):
    (tmp_path / "evidence.bin").write_bytes(DATA)
    [line] = take(house, tmp_path)
    return line["exhibit"]


def take(house, tmp_path):
    said = house.evidence("ingest", tmp_path / "evidence.bin", "--case", CODE, "--no-extract")
    assert said.code == 0, said.err
    return said.lines


@pytest.fixture(autouse=True)
def settings_file(house):
    """What the command line reads is what the open repository uses."""
    file = house.data / "config.toml"
    file.write_text(
        file.read_text() + f'replica_store_url = "{house.repo.settings.replica_store_url}"\n'
    )


def exhibit_of(house, number) -> Exhibit:
    from repository.exhibits import find_exhibit

    with house.repo.database.reading() as session:
        found = find_exhibit(session, number)
    assert found is not None
    return found


def later(house, **delta):
    """Return the same repository when that much time has passed."""
    clock = lambda: datetime.now(UTC) + timedelta(**delta)  # noqa: E731
    from repository import open_repository

    return open_repository(house.repo.settings, clock=clock)


def second_file(house, tmp_path, number) -> Path:
    return tmp_path / "second" / house.stored_file(number).relative_to(house.data / "store")


def damage(file: Path, position: int = 1_500_000) -> None:
    file.chmod(0o600)
    data = bytearray(file.read_bytes())
    data[position] ^= 1
    file.write_bytes(data)


def read(house, number, who="analyst", **more) -> bytes:
    return b"".join(retrieve(house.repo, house.caller(who), number, purpose="analysis", **more))


# -- copies and repair


def test_every_object_is_copied_with_its_lock_and_the_copy_is_checked(house, number, tmp_path):
    assert copies.replicate(house.repo) == 1
    assert copies.replicate(house.repo) == 0
    first, second = house.stored_file(number), second_file(house, tmp_path, number)
    assert first.read_bytes() == second.read_bytes()
    entry = house.last("replication")
    assert entry["location"]["place"] == "replica"
    [part] = recorded_parts(house.repo, exhibit_of(house, number))
    held = house.repo.replica.stat(part.objects[0])
    assert held.hold
    assert held.retain_until == part.objects[0].retain_until
    assert keys.in_store(house.repo, house.repo.replica, exhibit_of(house, number).id) is not None
    said = house.evidence("verify", "--objects")
    assert said.code == 0, said.out
    assert len(house.last("fixity_check")["verification"]["observed"]) == 4


def test_what_has_no_copy_yet_is_no_pass(house, number):
    said = house.evidence("verify", "--objects")
    assert said.code == 3
    assert "exhibits without a copy there: 1" in said.out
    copies.replicate(house.repo)
    assert house.evidence("verify", "--objects").code == 0


@pytest.mark.parametrize("which", ["content", "manifest", "gone", "copy"])
def test_what_is_damaged_is_found_recorded_and_repaired_from_the_other(
    house, number, tmp_path, which
):
    copies.replicate(house.repo)
    file = house.stored_file(number)
    if which == "manifest":
        damage(file.with_name(file.name + ".manifest"), 70)
    elif which == "gone":
        file.unlink()
    else:
        damage(second_file(house, tmp_path, number) if which == "copy" else file)
    said = house.evidence("verify", number)
    assert said.code == 1
    assert "repaired from" in said.out
    assert house.last("integrity_failure")["exhibit"]["number"] == number
    assert house.last("repair")["location"]["place"] == "replica" if which == "copy" else "primary"
    assert house.evidence("verify", number).code == 0
    assert read(house, number) == DATA


def test_without_a_good_copy_nothing_is_repaired_and_nothing_is_served(house, number, tmp_path):
    copies.replicate(house.repo)
    damage(house.stored_file(number))
    damage(second_file(house, tmp_path, number))
    said = house.evidence("verify", "--objects")
    assert said.code == 1
    assert "repair" not in {e.fields["type"] for e in house.entries()}
    assert "segment 1 does not open" in said.out
    with pytest.raises(EvidenceError):
        read(house, number)


def test_damaged_bytes_are_never_copied(house, number):
    damage(house.stored_file(number))
    assert copies.replicate(house.repo) == 0
    assert "replication" not in {e.fields["type"] for e in house.entries()}


def test_the_mirrored_ledger_is_copied_too(house, number):
    from repository.ledger_mirror import publish

    publish(house.repo)
    assert copies.replicate_ledger(house.repo) > 0
    assert copies.replicate_ledger(house.repo) == 0
    names = [one.key for one in house.repo.store.versions("ledger")]
    assert [one.key for one in house.repo.replica.versions("ledger")] == names


def test_what_of_it_is_locked_no_more_is_copied_all_the_same(house, number):
    repo = later(house, days=40_000)
    assert copies.replicate_ledger(repo) > 0
    assert all(
        repo.replica.stat(one).retain_until is None for one in repo.replica.versions("ledger")
    )
    repo.close()


# -- keys


def test_a_wrapped_key_stands_in_the_database_and_in_the_store_before_the_receipt(house, number):
    exhibit = exhibit_of(house, number)
    kept = keys.in_store(house.repo, house.repo.store, exhibit.id)
    assert kept == keys.wrapped_key(house.repo, exhibit.id)


def test_a_key_lost_from_the_database_is_found_in_the_store(house, number):
    exhibit = exhibit_of(house, number)
    with house.repo.database.writing() as session:
        session.execute(delete(DataKey).where(DataKey.subject == exhibit.id))
    assert read(house, number) == DATA


def test_a_key_lost_from_the_store_is_found_and_written_again(house, number):
    exhibit = exhibit_of(house, number)
    file = house.data / "store" / "keys" / keys.name_of(exhibit.id)
    file.unlink()
    said = house.evidence("verify", number)
    assert said.code == 1
    assert "wrapped key was missing" in said.out
    assert file.exists()
    assert house.evidence("verify", number).code == 0


def test_a_key_that_is_nowhere_is_a_typed_problem_and_nothing_is_served(house, number):
    exhibit = exhibit_of(house, number)
    with house.repo.database.writing() as session:
        session.execute(delete(DataKey).where(DataKey.subject == exhibit.id))
    (house.data / "store" / "keys" / keys.name_of(exhibit.id)).unlink()
    with pytest.raises(KeyUnavailable, match="backup"):
        read(house, number)
    assert house.last("retrieval")["reason"] == "key-unavailable"
    assert house.evidence("verify", number).code == 1


def test_another_key_encryption_key_opens_nothing(house, number, tmp_path):
    from repository.wrapping import create_wrapper

    passphrase = (house.data / "secrets" / "passphrase").read_bytes().strip()
    (house.data / "keys" / "kek.json").rename(tmp_path / "kek.json")
    create_wrapper((house.data / "keys" / "kek.json").as_uri(), passphrase=passphrase)
    out = tmp_path / "out"
    words = ["retrieve", number, "--out", out, "--purpose", "analysis"]
    said = house.evidence(*words, person="analyst")
    assert said.code == 3
    assert len(said.err.splitlines()) == 1
    assert not out.exists()
    assert house.evidence("verify", number).code == 3  # not done, which is no pass
    (tmp_path / "kek.json").replace(house.data / "keys" / "kek.json")
    assert house.evidence(*words, person="analyst").code == 0
    assert out.read_bytes() == DATA


def test_a_missing_key_encryption_key_is_said_in_one_line(house, number):
    (house.data / "keys" / "kek.json").unlink()
    said = house.evidence("list", "--case", CODE)
    assert said.code == 3
    assert "backup" in said.err
    assert len(said.err.splitlines()) == 1


# -- locks


def test_locks_are_renewed_when_half_their_term_is_over(house, number):
    copies.replicate(house.repo)
    assert terms.renew(house.repo) == 0
    repo = later(house, days=200)
    assert terms.renew(repo) == 1
    assert terms.renew(repo) == 0
    [part] = recorded_parts(repo, exhibit_of(house, number))
    for store in repo.stores.values():
        for one in (*part.objects, part.manifest):
            assert store.stat(one).retain_until > repo.clock() + timedelta(days=364)
    assert house.last("retention_change")["exhibit"]["number"] == number
    assert terms.renew_mirror(repo) > 0
    repo.close()


def test_a_missing_object_keeps_no_other_lock_from_being_renewed(house, number, tmp_path):
    (tmp_path / "evidence.bin").write_bytes(b"another")
    [line] = take(house, tmp_path)
    house.stored_file(number).unlink()
    repo = later(house, days=200)
    assert terms.renew(repo) == 2
    [part] = recorded_parts(repo, exhibit_of(house, line["exhibit"]))
    assert repo.store.stat(part.objects[0]).retain_until > repo.clock() + timedelta(days=364)
    repo.close()


def test_a_store_whose_locks_can_be_broken_takes_nothing_in(house, tmp_path, monkeypatch):
    def unfit(self):
        raise StoreUnfit("an object of several parts under lock could be deleted")

    probe = FolderStore.probe
    monkeypatch.setattr(FolderStore, "probe", unfit)
    assert house.evidence("store", "check").code == 1
    assert house.last("store_check")["outcome"] == "fail"
    (tmp_path / "evidence.bin").write_bytes(b"x")
    said = house.evidence("ingest", tmp_path / "evidence.bin", "--case", CODE)
    assert said.code == 3
    assert "could be deleted" in said.err
    assert "registration" not in {e.fields["type"] for e in house.entries()}
    monkeypatch.setattr(FolderStore, "probe", probe)
    assert house.evidence("store", "check").code == 0
    assert take(house, tmp_path)[0]["status"] == "registered"


def test_the_locks_are_tried_again_after_a_day(house):
    before = trial.ensure_fit(house.repo).at
    assert trial.ensure_fit(house.repo).at == before
    repo = later(house, days=1, seconds=1)
    assert trial.ensure_fit(repo).at > before
    repo.close()


# -- fixity


def test_an_interrupted_check_goes_on_and_forgets_no_failure(house, tmp_path):
    files = tmp_path / "in"
    files.mkdir()
    for n in range(6):
        (files / f"{n}").write_bytes(os.urandom(1000))
    lines = house.evidence("ingest", files, "--case", CODE, "--no-extract").lines
    damage(house.stored_file(lines[1]["exhibit"]), 100)
    run = fixity.open_run(house.repo)
    checks = fixity.check_all(house.repo, house.custodian, run)
    for _ in range(3):
        next(checks)
    checks.close()
    said = house.evidence("verify", "--objects")
    assert said.code == 1  # what failed before the interruption still fails
    checked = [line["subject"] for line in said.lines if line["check"] == "object"]
    assert checked[1:] == [line["exhibit"] for line in lines[3:]]
    assert "3 exhibits checked" in checked[0]
    again = house.evidence("verify", "--objects")
    assert len([line for line in again.lines if line["check"] == "object"]) == 6


def test_the_rolling_check_reads_what_was_not_read_for_longest(house, number):
    assert fixity.check_oldest(house.repo) == []
    repo = later(house, days=91)
    [found] = fixity.check_oldest(repo)
    assert (found.subject, found.outcome) == (number, "pass")
    assert fixity.check_oldest(repo) == []
    repo.close()


# -- reconciliation


def staged_only(house, data: bytes, path: bytes = b"left"):
    """Store a file as an intake that died before it was registered."""
    import io

    submission, _ = open_submission(
        house.repo, house.custodian, house.case, Declaration(parse("court")), sources=[path]
    )
    [[intent]] = intend(house.repo, submission, [[path]])
    stage(house.repo, intent, io.BytesIO(data), size=len(data), declared={})
    return submission, intent


def test_what_an_interrupted_intake_stored_is_adopted_by_the_next(house):
    import io

    submission, intent = staged_only(house, DATA)
    before = [one.key for one in house.repo.store.versions("evidence", "o/")]
    outcome = receive(
        house.repo, house.custodian, house.case, submission, io.BytesIO(DATA), path=b"left",
        size=len(DATA), declared={},
    )  # fmt: skip
    assert outcome.status == "registered"
    assert outcome.exhibit_id == intent.row.exhibit_id
    assert [one.key for one in house.repo.store.versions("evidence", "o/")] == before
    assert read(house, outcome.number) == DATA


def test_what_nobody_comes_back_for_is_put_on_record_and_kept(house):
    _, intent = staged_only(house, b"left behind")
    assert reconcile.reconcile(house.repo) == []
    repo = later(house, days=8)
    [found] = reconcile.reconcile(repo)
    assert "nobody came back" in found.detail
    entry = house.last("upload_abandoned")
    assert entry["location"]["key"] == intent.row.key
    assert house.plaintext(intent.row.key, intent.row.exhibit_id) == b"left behind"
    assert reconcile.reconcile(repo) == []
    repo.close()


def test_an_object_that_nothing_of_ours_names_is_found_and_recorded_once(house, number):
    house.repo.store.put([b"a stranger's"], bucket="evidence", key="o/zz/stranger")
    said = house.evidence("verify", "--objects")
    assert said.code == 1
    assert "o/zz/stranger" in said.out
    assert house.last("upload_abandoned")["reason"] == "unknown-object"
    count = len(house.entries())
    assert list(reconcile.strays(house.repo)) == []
    assert len(house.entries()) == count


# -- erasure


def order(tmp_path) -> Path:
    file = tmp_path / "order.pdf"
    file.write_bytes(b"The court orders the erasure.")
    return file


def second_custodian(house) -> str:
    said = house.evidence("person", "new", "second", "--role", "custodian")
    assert said.code == 0, said.err
    return "second"


def test_an_erasure_takes_an_order_and_two_persons_and_leaves_a_tombstone(house, number, tmp_path):
    copies.replicate(house.repo)
    exhibit = exhibit_of(house, number)
    wrapped = keys.wrapped_key(house.repo, exhibit.id).wrapped
    other = second_custodian(house)
    said = house.evidence("erase", "request", number, "--order", order(tmp_path), "--motive", "m")
    assert said.code == 0, said.err
    name = said.lines[0]["erasure"]
    assert read(house, number) == DATA  # nothing is destroyed yet
    alone = house.evidence("erase", "approve", name, "--motive", "m")
    assert alone.code == 4
    assert house.last("access_denied")["reason"] == "same-person"
    assert house.evidence("erase", "approve", name, "--motive", "m", person="analyst").code == 4
    done = house.evidence("erase", "approve", name, "--motive", "m", person=other)
    assert done.code == 0, done.err
    assert done.lines[0]["state"] == "erased"
    with pytest.raises(Erased):
        read(house, number)
    tombstone = house.last("erasure")
    assert tombstone["exhibit"]["number"] == number
    assert tombstone["exhibit"]["sha256"] == exhibit.sha256
    house.repo.close()
    for place in (house.data, tmp_path / "second"):
        for file in place.rglob("*"):
            if file.is_file():
                text = file.read_bytes()
                assert wrapped not in text, file
                assert wrapped.hex().encode() not in text, file
    assert "erased by order" in house.evidence("verify", number).out  # and no bytes that match
    verified = house.evidence("verify")
    assert verified.code == 0, verified.out  # proofs, digests and stored bytes stay
    shown = house.evidence("show", number, person="analyst")
    assert shown.lines[0]["erased_at"]


def test_an_erased_exhibit_is_named_as_left_out_of_an_export(house, number, tmp_path):
    (tmp_path / "other").write_bytes(b"other")
    house.ingest(tmp_path / "other")
    other = second_custodian(house)
    words = ["--order", order(tmp_path), "--motive", "m"]
    name = house.evidence("erase", "request", number, *words).lines[0]["erasure"]
    assert house.evidence("erase", "approve", name, "--motive", "m", person=other).code == 0
    bundle = tmp_path / "bundle"
    words = ["export", "--case", CODE, "--out", bundle, "--purpose", "court"]
    said = house.evidence(*words, person="prosecutor")
    assert said.code == 0, said.err
    custody = json.loads((bundle / "custody.json").read_text())
    assert [one["number"] for one in custody["exhibits"]] == ["KRN-000002"]
    assert [one for one in custody["left_out"] if one["what"] == number]
    assert house.evidence("verify", bundle).code == 0


def test_a_refused_erasure_changes_nothing(house, number, tmp_path):
    other = second_custodian(house)
    words = ["--order", order(tmp_path), "--motive", "m"]
    name = house.evidence("erase", "request", number, *words).lines[0]["erasure"]
    assert len(house.evidence("erase", "list").lines) == 1
    assert house.evidence("erase", "refuse", name, "--motive", "no", person=other).code == 0
    assert house.evidence("erase", "list").lines == []
    assert house.evidence("erase", "approve", name, "--motive", "m", person=other).code == 2
    assert read(house, number) == DATA


def test_an_erasure_goes_on_when_a_store_that_was_away_is_back(
    house, number, tmp_path, monkeypatch
):
    from repository import erasure
    from repository.errors import StoreUnavailable

    copies.replicate(house.repo)
    other = second_custodian(house)
    words = ["--order", order(tmp_path), "--motive", "m"]
    name = house.evidence("erase", "request", number, *words).lines[0]["erasure"]

    def away(self, stored, order):
        raise StoreUnavailable("it is away")

    destroy = FolderStore.destroy
    monkeypatch.setattr(FolderStore, "destroy", away)
    said = house.evidence("erase", "approve", name, "--motive", "m", person=other)
    assert said.code == 3
    with pytest.raises(Erased):
        read(house, number)
    assert "erasure" not in {e.fields["type"] for e in house.entries()}
    monkeypatch.setattr(FolderStore, "destroy", destroy)
    assert erasure.finish_all(house.repo) == 1
    assert house.last("erasure")["outcome"] == "done"
    assert keys.in_store(house.repo, house.repo.replica, exhibit_of(house, number).id) is None


# -- ranges


def test_ranges_of_one_reading_share_one_opening_and_one_closing_entry(house, number):
    start = len(house.entries())
    for first, last in ((0, 99), (50, 199), (1_000_000, 2_000_000)):
        assert read(house, number, span=(first, last)) == DATA[first : last + 1]
    entries = [e.fields for e in house.entries()[start:]]
    assert [(e["type"], e["outcome"]) for e in entries] == [("retrieval", "started")]
    repo = later(house, minutes=16)
    assert flows.close_ended(repo) == 1
    assert flows.close_ended(repo) == 0
    closing = house.last("retrieval")
    assert closing["outcome"] == "done"
    assert closing["request_id"] == entries[0]["request_id"]
    assert closing["ranges"] == [[0, 199], [1_000_000, 2_000_000]]
    assert closing["count"] == 3
    repo.close()


def test_another_person_purpose_or_time_is_another_flow(house, number):
    start = len(house.entries())
    read(house, number, span=(0, 9))
    b"".join(retrieve(house.repo, house.caller("analyst"), number, purpose="court", span=(0, 9)))
    repo = later(house, minutes=16)
    b"".join(retrieve(repo, house.caller("analyst"), number, purpose="analysis", span=(0, 9)))
    started = [e for e in house.entries()[start:] if e.fields["outcome"] == "started"]
    assert len(started) == 3
    repo.close()


def test_a_range_that_a_dead_process_had_begun_counts_as_begun(house, number):
    reading = retrieve(
        house.repo, house.caller("analyst"), number, purpose="analysis", span=(0, 499)
    )
    assert reading.noted is not None
    del reading  # the process died: nothing was closed
    repo = later(house, minutes=30)
    assert flows.close_ended(repo) == 0  # it may still be sending
    repo.close()
    repo = later(house, minutes=61)
    assert flows.close_ended(repo) == 1
    closing = house.last("retrieval")
    assert (closing["outcome"], closing["reason"]) == ("aborted", "process-ended")
    assert closing["ranges"] == [[0, 499]]
    repo.close()


def test_ranges_join_where_they_touch():
    assert flows.union([(5, 9), (0, 4), (20, 19), (30, 40), (35, 36)]) == [[0, 9], [30, 40]]


# -- one exhibit, several objects


def test_a_part_too_large_for_one_object_is_several_under_one_manifest(
    house, tmp_path, monkeypatch
):
    monkeypatch.setattr(FolderStore, "largest", 8 << 20)
    data = os.urandom((21 << 20) + 77)
    (tmp_path / "evidence.bin").write_bytes(data)
    [line] = take(house, tmp_path)
    number = line["exhibit"]
    [part] = house.last("registration")["parts"]
    assert len(part["further"]) == 2
    assert copies.replicate(house.repo) == 1
    for first, last in ((0, len(data) - 1), (8_388_000, 8_389_000), (16_700_000, 16_800_000)):
        assert read(house, number, span=(first, last)) == data[first : last + 1]
    second = house.stored_file(number)
    second = second.with_name(second.name + ".2")
    damage(second, 100)
    with pytest.raises(EvidenceError):
        read(house, number)
    assert "repaired" in house.evidence("verify", number).out
    assert read(house, number) == data


def test_bytes_taken_in_without_encryption_are_read_and_checked_the_same(house, tmp_path):
    house.repo = replace(
        house.repo, settings=house.repo.settings.model_copy(update={"encryption": False})
    )
    (tmp_path / "plain").write_bytes(DATA)
    submission, _ = open_submission(
        house.repo, house.custodian, house.case, Declaration(parse("court")), sources=[b"plain"]
    )
    with (tmp_path / "plain").open("rb") as file:
        outcome = receive(
            house.repo, house.custodian, house.case, submission, file, path=b"plain",
            size=len(DATA), declared={},
        )  # fmt: skip
    assert house.stored_file(outcome.number).read_bytes() == DATA
    assert read(house, outcome.number) == DATA
    damage(house.stored_file(outcome.number))
    with pytest.raises(EvidenceError, match="chunk 1"):
        read(house, outcome.number)


def test_an_empty_exhibit_lives_the_same_life(house, tmp_path):
    (tmp_path / "evidence.bin").write_bytes(b"")
    [line] = take(house, tmp_path)
    copies.replicate(house.repo)
    assert read(house, line["exhibit"]) == b""
    assert house.evidence("verify", line["exhibit"]).code == 0
    damage(house.stored_file(line["exhibit"]), 3)
    shutil.copy(house.stored_file(line["exhibit"]), tmp_path / "kept")
    assert house.evidence("verify", line["exhibit"]).code == 1


def test_a_copy_made_while_an_exhibit_is_erased_keeps_no_key(house, number, tmp_path, monkeypatch):
    other = second_custodian(house)
    words = ["--order", order(tmp_path), "--motive", "m"]
    name = house.evidence("erase", "request", number, *words).lines[0]["erasure"]
    read_key = keys.wrapped_key

    def meanwhile(repo, subject):
        """Erase it between the reading of the key and its copy."""
        found = read_key(repo, subject)
        monkeypatch.undo()
        assert house.evidence("erase", "approve", name, "--motive", "m", person=other).code == 0
        return found

    monkeypatch.setattr(keys, "wrapped_key", meanwhile)
    with suppress(EvidenceError):
        copies.replicate(house.repo)
    exhibit = exhibit_of(house, number)
    stores = house.repo.stores.values()
    assert [keys.in_store(house.repo, store, exhibit.id) for store in stores] == [None, None]
    left = Wrapped("0" * 16, bytes(40)).to_text().encode()  # as a death in between leaves it
    house.repo.replica.put([left], bucket=keys.BUCKET, key=keys.name_of(exhibit.id))
    [chore] = [one for one in upkeep.chores(house.repo) if one.name == "reconcile"]
    chore.do(house.repo, lambda _: None)
    assert keys.in_store(house.repo, house.repo.replica, exhibit.id) is None

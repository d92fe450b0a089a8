"""The command line on submissions: what is missing is seen, and one receipt ends it."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from custody import verify as offline
from custody.receipt import SubmissionReceipt
from ingest.completion import expire
from repository.publication import complete_receipts
from tests.house import CODE
from tests.ingest.test_announce import FILES, Handing, listed


@pytest.fixture
def handing(house):
    found = Handing(house)
    found.announce()
    found.send(*FILES[0])
    return found


def files_of(path):
    with Path(path).open("rb") as file:
        return list(SubmissionReceipt.parse(file.readline()).check_list(file))


def test_a_local_run_ends_with_one_receipt_for_all(house, files):
    said = house.evidence("ingest", files, "--case", CODE, "--no-extract")
    assert said.code == 0
    submission = said.lines[0]["submission"]
    place = house.data / "receipts" / f"{submission}.json"
    assert [(one["path"], one["exhibit"], one["entry"]) for one in files_of(place)] == [
        (line["path"], line["exhibit"], line["entry"]) for line in said.lines
    ]
    checked = house.evidence("receipt", "check", place)
    assert checked.code == 0
    [found] = checked.lines
    assert (found["subject"], found["stage"], found["files"]) == (submission, "complete", 3)
    assert (found["outcome"], found["key_trusted"]) == ("pass", "pass")
    assert offline.main([str(place)]) == 0
    assert house.evidence("verify", "--receipt", place).code == 0


def test_people_are_told_where_it_is(house, files):
    from tests.house import run

    said = run("--data", house.data, "ingest", files, "--case", CODE, "--no-extract")
    place = next((house.data / "receipts").glob("SUB-*.json"))
    assert str(place) in said.err


def test_a_run_with_failures_stays_open_and_has_no_receipt(house, files):
    (files / "link").symlink_to("nowhere")
    said = house.evidence("ingest", files, "--case", CODE, "--no-extract")
    submission = said.lines[0]["submission"]
    assert not (house.data / "receipts" / f"{submission}.json").exists()
    [line] = house.evidence("submission", "list", "--case", CODE).lines
    assert (line["submission"], line["files"], line["further"]) == (submission, 0, 3)
    (files / "link").unlink()
    house.evidence("ingest", files, "--case", CODE, "--no-extract")
    assert house.evidence("submission", "list", "--case", CODE).lines == []
    assert len(files_of(house.data / "receipts" / f"{submission}.json")) == 3


def test_the_same_submission_again_is_the_same_receipt_and_more_of_it_a_new_one(house, files):
    first = house.evidence("ingest", files, "--case", CODE, "--no-extract")
    submission = first.lines[0]["submission"]
    place = house.data / "receipts" / f"{submission}.json"
    before = json.loads(place.read_text())
    size = house.repo.ledger.size()
    house.evidence("ingest", files, "--case", CODE, "--no-extract", "--submission", submission)
    again = json.loads(place.read_text())
    assert (again["index"], again["list"]) == (before["index"], before["list"])
    assert house.repo.ledger.size() == size
    (files / "more").write_bytes(b"more")
    house.evidence("ingest", files, "--case", CODE, "--no-extract", "--submission", submission)
    assert len(files_of(place)) == 4


def test_a_local_run_brings_what_was_announced(house, handing, tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "2.jpg").write_bytes(b"")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "other").write_bytes(b"x")
    words = ["--case", CODE, "--submission", handing.id]
    said = house.evidence("ingest", folder, tmp_path / "b", *words)
    assert said.code == 0
    assert [state for _, state in handing.states()] == [
        "registered", "registered", "announced", "registered",
    ]  # fmt: skip
    [shown] = house.evidence("submission", "show", handing.id).lines
    assert shown["completed_at"] is None  # one that was announced is still missing
    assert (shown["announced"], shown["registered"], shown["further"]) == (1, 2, 1)
    # The command looked at what it brought itself; the rest waits for a worker.
    assert (shown["exhibits"], shown["looked_at"]) == (3, 2)


def test_what_is_missing_is_shown_to_both_sides(house, handing):
    [line] = house.evidence("submission", "list", "--case", CODE, person="analyst").lines
    assert (line["files"], line["announced"], line["registered"]) == (3, 2, 1)
    shown = house.evidence("submission", "show", handing.id, "--state", "announced")
    assert [one["n"] for one in shown.lines] == [2, 3]
    every = house.evidence("submission", "show", handing.id, "--files")
    assert [one["state"] for one in every.lines] == ["registered", "announced", "announced"]
    house.evidence("submission", "show", handing.id, person="analyst")
    assert house.last("consultation")["reason"] == "submission"
    assert house.evidence("submission", "show", handing.id, person="stranger").code == 2
    assert house.last("access_denied")["attempted"] == "consultation"


def test_people_read_how_long_ago_the_last_byte_came(house, handing):
    from tests.house import run

    said = run("--data", house.data, "submission", "show", handing.id).out
    assert "3 files: 2 announced, 1 registered" in said
    assert "3 of 8 announced" in said
    assert "last byte 0 min ago, given up 20" in said
    rows = run("--data", house.data, "submission", "show", handing.id, "--files").out
    assert "\\xff.bin" in rows
    assert "announced" in rows
    late = replace(house.repo, clock=lambda: house.repo.clock() + timedelta(days=61))
    assert expire(late) == [handing.id]
    [shown] = house.evidence("submission", "show", handing.id).lines
    assert shown["completed_at"] is not None


def test_it_ends_without_what_is_missing_only_with_a_motive(house, handing):
    words = ["submission", "complete", handing.id]
    refused = house.evidence(*words)
    assert refused.code == 1
    assert "2 of 3 announced files" in refused.err
    assert house.evidence(*words, "--without-missing").code == 2
    done = house.evidence(*words, "--without-missing", "--motive", "the phone was lost")
    assert done.code == 0
    [line] = done.lines
    assert [one["status"] for one in files_of(line["receipt"])] == [
        "registered", "not-arrived", "not-arrived",
    ]  # fmt: skip


def test_receipts_are_made_anew(house, handing, tmp_path):
    out = tmp_path / "r.json"
    assert house.evidence("submission", "receipt", handing.id).code == 2  # it is not complete
    words = ["submission", "receipt", handing.id, "--stage", "announced"]
    assert house.evidence(*words, "--out", out).code == 0
    assert len(files_of(out)) == 3
    assert house.evidence(*words, "--out", out).code == 2
    assert house.evidence("receipt", "check", out).code == 0
    pages = tmp_path / "r.pdf"
    assert house.evidence(*words, "--pdf").code == 2
    assert house.evidence(*words, "--pdf", "--out", pages).code == 0
    assert pages.read_bytes().startswith(b"%PDF")
    data = bytearray(out.read_bytes())
    data[data.index(b"a/1.jpg")] ^= 1
    out.write_bytes(data)
    assert house.evidence("receipt", "check", out).code == 1
    assert house.evidence("verify", "--receipt", out).code == 1


def test_the_receipt_is_completed_when_witnesses_answer(house, files, monkeypatch):
    house.evidence("ingest", files, "--case", CODE, "--no-extract")
    place = next((house.data / "receipts").glob("SUB-*.json"))
    before = files_of(place)
    monkeypatch.setattr(
        "repository.publication.completed",
        lambda _, found: replace(found, unwitnessed_since=None),
    )
    assert complete_receipts(house.repo, house.repo.ledger.size()) == 4
    with place.open("rb") as file:
        assert SubmissionReceipt.parse(file.readline()).unwitnessed_since is None
        assert files_of(place) == before


def test_nothing_handed_in_is_nothing_to_acknowledge(house, tmp_path):
    (tmp_path / "empty").mkdir()
    assert house.evidence("ingest", tmp_path / "empty", "--case", CODE, "--no-extract").code == 0
    assert house.evidence("submission", "list", "--case", CODE).lines == []
    assert not list((house.data / "receipts").glob("SUB-*"))


def test_another_investigator_does_not_end_it(house, handing):
    from repository.people import grant, new_person

    other = new_person(house.repo, house.custodian, name="second", role="investigator")
    grant(house.repo, house.custodian, case=house.case, person=other, role="investigator")
    words = ["submission", "complete", handing.id, "--without-missing", "--motive", "x"]
    assert house.evidence(*words, person="second").code == 2
    assert house.evidence(*words, person="analyst").code == 2
    assert house.evidence(*words).code == 0  # a custodian may


def test_a_list_of_many_files_is_shown_whole(house):
    handing = Handing(house)
    handing.announce(listed([(f"{n}".encode(), b"") for n in range(2_500)]))
    shown = house.evidence("submission", "show", handing.id, "--files")
    assert [one["n"] for one in shown.lines] == list(range(1, 2_501))

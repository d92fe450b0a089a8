"""Submissions: run again, they register nothing twice; a digest at source is a fact of its own."""

from hashlib import md5, sha1, sha256

import pytest

from ingest.quarantine import held
from tests.house import CODE, run


def numbers(said):
    return [line["exhibit"] for line in said.lines]


def test_the_same_submission_again_prints_the_same_numbers(house, files):
    first = house.evidence("ingest", files, "--case", CODE, "--no-extract")
    submission = first.lines[0]["submission"]
    before = house.repo.ledger.size()
    again = house.evidence(
        "ingest", files, "--case", CODE, "--no-extract", "--submission", submission
    )
    assert again.code == 0
    assert numbers(again) == numbers(first)
    assert [line["entry"] for line in again.lines] == [line["entry"] for line in first.lines]
    types = [e.fields["type"] for e in house.repo.ledger.entries(before)]
    assert "registration" not in types


def test_a_new_submission_of_the_same_bytes_makes_new_exhibits(house, files):
    first = house.evidence("ingest", files, "--case", CODE, "--no-extract")
    second = house.evidence("ingest", files, "--case", CODE, "--no-extract")
    assert not set(numbers(first)) & set(numbers(second))
    assert [line["known_as"] for line in second.lines] == [[n] for n in numbers(first)]


def test_an_interrupted_submission_is_continued_by_the_same_command(house, files):
    (files / "link").symlink_to("nowhere")
    first = house.evidence("ingest", files, "--case", CODE, "--no-extract")
    assert first.code == 2  # the link was not taken in, so the submission stays open
    (files / "link").unlink()
    second = house.evidence("ingest", files, "--case", CODE, "--no-extract")
    assert second.code == 0
    taken = [line for line in first.lines if line["status"] == "registered"]
    assert numbers(second) == [line["exhibit"] for line in taken]
    assert second.lines[0]["submission"] == first.lines[0]["submission"]


def test_a_file_changed_since_is_a_new_exhibit_of_the_same_submission(house, files):
    first = house.evidence("ingest", files, "--case", CODE, "--no-extract")
    submission = first.lines[0]["submission"]
    (files / "a.txt").write_bytes(b"changed")
    again = house.evidence(
        "ingest", files, "--case", CODE, "--no-extract", "--submission", submission
    )
    assert len(set(numbers(again)) - set(numbers(first))) == 1


def test_two_files_with_the_same_name_and_bytes_are_two_exhibits_on_every_run(house, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jpg").write_bytes(b"the same")
    words = [
        "ingest",
        tmp_path / "one" / "x.jpg",
        tmp_path / "two" / "x.jpg",
        "--case",
        CODE,
        "--no-extract",
    ]
    first = house.evidence(*words)
    assert len(set(numbers(first))) == 2
    again = house.evidence(*words, "--submission", first.lines[0]["submission"])
    assert numbers(again) == numbers(first)


def test_a_stream_sent_again_in_the_same_submission_is_not_registered_twice(house):
    words = ["--data", house.data, "--json", "ingest", "-", "--case", CODE, "--no-extract"]
    first = run(*words, stdin=b"stream")
    again = run(*words, "--submission", first.lines[0]["submission"], stdin=b"stream")
    assert numbers(again) == numbers(first)
    assert house.last("upload_abandoned")["reason"] == "already-registered"


def test_an_id_chosen_by_the_submitter_is_used(house, files):
    chosen = "SUB-01a1f000-0000-7000-8000-000000000001"
    said = house.evidence(
        "ingest", files / "a.txt", "--case", CODE, "--no-extract", "--submission", chosen
    )
    assert said.lines[0]["submission"] == chosen
    other = house.evidence("ingest", files / "a.txt", "--case", "OTHER", "--submission", chosen)
    assert other.code == 2


@pytest.mark.parametrize(
    "declared",
    [
        [f"md5:{md5(b'first').hexdigest()}"],
        [f"SHA1:{sha1(b'first').hexdigest().upper()}", f"sha256:{sha256(b'first').hexdigest()}"],
    ],
)
def test_right_digests_at_source_are_compared_and_recorded(house, files, declared):
    words = [word for digest in declared for word in ("--digest", digest)]
    said = house.evidence("ingest", files / "a.txt", "--case", CODE, "--no-extract", *words)
    assert said.code == 0
    found = house.last("message_digest_calculation")
    assert found["outcome"] == "pass"
    assert found["verification"]["expected"] == sorted(d.lower() for d in declared)
    assert set(found["verification"]["expected"]) <= set(found["verification"]["observed"])


def test_without_a_declared_digest_nothing_is_called_a_pass(house, files):
    house.ingest(files / "a.txt")
    found = house.last("message_digest_calculation")
    assert (found["outcome"], found["verification"]["expected"]) == ("done", [])


def test_a_wrong_digest_is_stored_quarantined_recorded_and_exit_1(house, files):
    said = house.evidence(
        "ingest", files / "a.txt", "--case", CODE, "--no-extract", "--digest", f"md5:{'0' * 32}"
    )
    assert said.code == 1
    [line] = said.lines
    assert (line["status"], line["exhibit"], line["error"]) == (
        "quarantined", None, "digest-mismatch",
    )  # fmt: skip
    kinds = house.types()[-3:]  # and what ends the submission
    assert kinds == ["message_digest_calculation/fail", "quarantine/done", "submission/done"]
    entry = house.repo.ledger.entry(line["entry"]).fields
    key = entry["location"]["key"]
    [(kept, _)] = held(house.repo)
    exhibit_id = kept.exhibit_id
    assert house.plaintext(key, exhibit_id) == b"first"
    words = [
        "ingest",
        files / "a.txt",
        "--case",
        CODE,
        "--no-extract",
        "--submission",
        line["submission"],
    ]
    again = house.evidence(*words, "--digest", f"md5:{'0' * 32}")
    assert (again.code, again.lines[0]["quarantine"]) == (1, line["quarantine"])
    [kept] = house.evidence("quarantine", "list").lines
    assert kept["quarantine"] == line["quarantine"]
    rejected = house.evidence("quarantine", "reject", kept["quarantine"], "--motive", "not ours")
    assert rejected.code == 0
    assert house.last("approval_refused")["reason"] == "quarantine-rejected"
    assert house.evidence("quarantine", "list").lines == []
    assert house.plaintext(key, exhibit_id) == b"first"
    twice = house.evidence("quarantine", "release", kept["quarantine"], "--motive", "m")
    assert twice.code == 2


def test_collection_as_declared_is_an_entry_of_its_own(house, files):
    house.ingest(
        files / "a.txt", collected_by="A. Field", collected_at="2026-01-02T03:04:05+02:00",
        place="Mosul", method="download", authority="RFA 7", source="a neighbour",
        conditions="not to be shown to the press",
    )  # fmt: skip
    fields = house.last("collection")
    assert fields["occurred_at"] == "2026-01-02T01:04:05.000Z"
    entry = [e for e in house.entries() if e.fields["type"] == "collection"][-1]
    opened = house.repo.ledger.opened(entry)
    assert opened["source"] == "a neighbour"
    assert opened["detail"]["conditions"] == "not to be shown to the press"
    assert "Mosul" not in entry.body.decode()


def test_a_time_of_collection_without_zone_is_kept_as_given_and_not_guessed(house, files):
    house.ingest(files / "a.txt", collected_at="2026-01-02")
    entry = [e for e in house.entries() if e.fields["type"] == "collection"][-1]
    assert "occurred_at" not in entry.fields
    assert house.repo.ledger.opened(entry)["detail"] == {"collected_at": "2026-01-02"}

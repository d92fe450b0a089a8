"""The main job, end to end, on the command line: investigator, analyst, prosecutor, court."""

import json
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.house import CODE


@pytest.fixture
def taken(house, files):
    return {line["path"]: line for line in house.ingest(files, family="heritage", place="Mosul")}


def test_every_file_gets_number_digest_size_index_and_receipt(taken, files, house):
    assert len(taken) == 3
    for path, line in taken.items():
        data = (files.parent / path).read_bytes()
        assert line["sha256"] == f"sha256:{sha256(data).hexdigest()}"
        assert line["size"] == len(data)
        assert line["status"] == "registered"
        entry = house.repo.ledger.entry(line["entry"])
        assert entry.fields["type"] == "registration"
        assert entry.fields["exhibit"]["number"] == line["exhibit"]
        receipt = json.loads(Path(line["receipt"]).read_text())
        assert receipt["index"] == line["entry"]


def test_the_receipt_is_checked_offline_by_two_programs(taken, house, tmp_path):
    for line in taken.values():
        said = house.evidence("receipt", "check", line["receipt"])
        assert said.code == 0, said.err
        assert said.lines[0]["key_trusted"] == "pass"
    from tests.house import run

    away = run("--data", tmp_path / "elsewhere", "--json", "receipt", "check", line["receipt"])
    assert (away.code, away.lines[0]["key_trusted"]) == (0, "not-done")
    done = subprocess.run(
        [sys.executable, "-I", "custody/verify.py", line["receipt"]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_analyst_gets_the_same_bytes_and_the_ledger_says_so(taken, files, house, tmp_path):
    line = taken["in/sub/b.bin"]
    out = tmp_path / "out.bin"
    said = house.evidence(
        "retrieve", line["exhibit"], "--out", out, "--purpose", "analysis: x", person="analyst"
    )
    assert said.code == 0, said.err
    assert out.read_bytes() == (files / "sub" / "b.bin").read_bytes()
    closing = house.last("retrieval")
    assert closing["outcome"] == "done"
    assert closing["ranges"] == [[0, line["size"] - 1]]
    assert closing["actor"]["role"] == "analyst"


def test_a_range_is_zero_based_and_inclusive(taken, files, house, tmp_path):
    out = tmp_path / "out.bin"
    said = house.evidence(
        "retrieve", taken["in/sub/b.bin"]["exhibit"], "--out", out, "--purpose", "analysis",
        "--range", "1048570-1048580", person="analyst",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert out.read_bytes() == (files / "sub" / "b.bin").read_bytes()[1048570:1048581]


def test_the_prosecutor_exports_and_a_stranger_verifies(taken, files, house, tmp_path):
    bundle = tmp_path / "bundle"
    said = house.evidence(
        "export", "--case", CODE, "--out", bundle, "--purpose", "court", "--recipient", "The Court",
        person="prosecutor",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert said.lines[0]["left_out"]
    done = subprocess.run(
        [sys.executable, "-I", bundle / "verify.py", bundle],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert house.evidence("verify", bundle).code == 0
    for path, line in taken.items():
        data = (bundle / "data" / f"{line['exhibit']}.bin").read_bytes()
        assert data == (files.parent / path).read_bytes()
    checked = subprocess.run(
        ["sha256sum", "-c", "--quiet", "manifest-sha256.txt"], cwd=bundle, check=False
    )
    assert checked.returncode == 0


def test_an_independent_reader_accepts_the_bag(taken, house, tmp_path):
    import bagit

    bundle = tmp_path / "bundle"
    house.evidence("export", "--case", CODE, "--out", bundle, "--purpose", "court")
    bag = bagit.Bag(str(bundle))
    assert bag.validate()
    assert bag.version_info == (1, 0)


def test_everything_verifies_afterwards(taken, house):
    said = house.evidence("verify")
    assert said.code == 0, said.out
    assert {line["outcome"] for line in said.lines[:-1]} == {"pass"}


def test_a_flipped_bit_is_never_given_out_and_is_recorded(taken, house, tmp_path):
    number = taken["in/sub/b.bin"]["exhibit"]
    house.flip(number, position=2_000_000)
    out = tmp_path / "out.bin"
    said = house.evidence(
        "retrieve", number, "--out", out, "--purpose", "analysis", person="analyst"
    )
    assert said.code == 1
    assert "Traceback" not in said.err
    assert not out.exists()
    assert house.last("integrity_failure")["exhibit"]["number"] == number
    assert house.last("retrieval")["outcome"] == "aborted"
    assert house.last("retrieval")["ranges"] == []  # the segment reaches into the first chunk
    checked = house.evidence("verify", number)
    assert checked.code == 1
    bundle = tmp_path / "bundle"
    exported = house.evidence(
        "export", "--case", CODE, "--out", bundle, "--purpose", "court", person="prosecutor"
    )
    assert exported.code == 1
    assert not bundle.exists()
    assert house.last("report_generated")["outcome"] == "aborted"


@pytest.mark.parametrize(
    ("person", "words", "code", "reason"),
    [
        ("analyst", ["--purpose", ""], 2, "purpose-required"),
        ("analyst", [], 2, "purpose-required"),
        ("analyst", ["--purpose", "x" * 2001], 2, "purpose-too-long"),
        ("investigator", ["--purpose", "analysis"], 4, "role"),
        ("stranger", ["--purpose", "analysis"], 2, "no-grant"),
    ],
)
def test_a_refused_read_is_recorded(taken, house, tmp_path, person, words, code, reason):
    number = taken["in/a.txt"]["exhibit"]
    said = house.evidence("retrieve", number, "--out", tmp_path / "x", *words, person=person)
    assert said.code == code, said.err
    assert said.err.count("\n") == 1
    refusal = house.last("access_denied")
    assert (refusal["attempted"], refusal["reason"]) == ("retrieval", reason)
    assert not (tmp_path / "x").exists()


def test_absent_and_forbidden_look_alike_to_a_stranger(taken, house, tmp_path):
    answers = []
    for number in (taken["in/a.txt"]["exhibit"], "KRN-999999"):
        said = house.evidence(
            "retrieve", number, "--out", tmp_path / "x", "--purpose", "analysis", person="stranger"
        )
        answers.append((said.code, said.err.replace(number, "N")))
    assert answers[0] == answers[1]
    refusals = [e.fields["reason"] for e in house.entries() if e.fields["type"] == "access_denied"]
    assert refusals == ["no-grant", "unknown-exhibit"]


def test_the_same_bytes_again_are_a_new_exhibit_that_says_so(taken, house, files):
    [again] = house.ingest(files / "a.txt")
    assert again["exhibit"] not in {line["exhibit"] for line in taken.values()}
    assert again["known_as"] == [taken["in/a.txt"]["exhibit"]]
    house.evidence("mark", taken["in/a.txt"]["exhibit"], "--sealed", "--motive", "m")
    [sealed] = house.ingest(files / "a.txt")
    assert sealed["known_as"] == [again["exhibit"]]  # nor that there is one that is sealed
    assert house.stored_file(again["exhibit"]) != house.stored_file(taken["in/a.txt"]["exhibit"])


def test_only_who_may_know_the_other_is_told(taken, house, files):
    said = house.evidence("ingest", files / "a.txt", "--case", "OTHER", "--no-extract")
    assert said.lines[0]["known_as"]
    from sqlalchemy import select

    from repository.models import Case
    from repository.people import find_person, grant

    with house.repo.database.reading() as session:
        other = session.scalar(select(Case).where(Case.code == "OTHER"))
        stranger = find_person(session, "stranger")
    custodian = house.custodian
    grant(house.repo, custodian, case=other, person=stranger, role="investigator")
    said = house.evidence(
        "ingest", files / "a.txt", "--case", "OTHER", "--no-extract", person="stranger"
    )
    assert said.lines[0]["known_as"] == ["OTHER-000001"]


@pytest.mark.sqlite_only("it edits the file")
def test_a_ledger_cut_by_its_operator_is_found_with_the_checkpoint_in_the_store(taken, house):
    import sqlite3

    size = house.repo.ledger.size()
    house.repo.close()
    with sqlite3.connect(house.data / "evidence.db") as raw:
        for [name] in raw.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        cut = raw.execute("SELECT max(size) FROM head WHERE size < ?", (size,)).fetchone()[0]
        for table in ("entry", "entry_exhibit", "opening"):
            raw.execute(f"DELETE FROM {table} WHERE idx >= ?", (cut,))
        raw.execute("DELETE FROM head WHERE size > ?", (cut,))
    said = house.evidence("verify", "--ledger")
    assert said.code == 1
    [found] = [line for line in said.lines[:-1] if line["outcome"] == "fail"]
    assert found["check"] == "outside"
    assert f"entry {cut}" in found["detail"]


def test_a_receipt_in_someones_hand_exposes_a_rewritten_ledger(taken, house):
    receipt = taken["in/a.txt"]["receipt"]
    assert house.evidence("verify", "--receipt", receipt).code == 0
    checkpoint = house.data / "kept"
    checkpoint.write_text(house.evidence("ledger", "checkpoint").lines[0]["checkpoint"])
    assert house.evidence("verify", "--checkpoint", checkpoint).code == 0
    checkpoint.write_text(re.sub(r"\n[0-9]+\n", "\n7\n", checkpoint.read_text(), count=1))
    said = house.evidence("verify", "--checkpoint", checkpoint)
    assert said.code == 1


def test_a_custodian_of_an_institution_learns_nothing_of_another_ones_cases(taken, house, files):
    for words in (
        ["person", "new", "other-custodian", "--role", "custodian", "--organisation", "Elsewhere"],
        ["case", "new", "ELSE", "--title", "Theirs", "--organisation", "Elsewhere"],
    ):
        said = house.evidence(*words)
        assert said.code == 0, said.err
    lines = [
        house.evidence("ingest", files / "a.txt", "--case", "ELSE", person="other-custodian").lines
        for _ in range(2)
    ]
    assert [one.get("known_as", []) for [one] in lines] == [[], ["ELSE-000001"]]

"""A list and the files it is about, handed in together; real split images as one exhibit each."""

import json
import os
import shutil
import subprocess
import sys
from hashlib import md5, sha256
from pathlib import Path

import pytest

from custody.verify import exit_code, verify_path
from tests.house import CODE
from tests.shared import ROOT, shared

SPLIT = ("disk-images", "plaso")


def by_status(said):
    """The lines of the result and the proposals (on standard error) by their status."""
    found = {}
    proposals = [json.loads(line) for line in said.err.splitlines() if line.startswith("{")]
    for line in [*said.lines, *proposals]:
        found.setdefault(line["status"], []).append(line)
    return found


def opened(house, number, kind="collection"):
    [entry] = [
        e
        for e in house.entries()
        if e.fields["type"] == kind and e.fields["exhibit"]["number"] == number
    ]
    return house.repo.ledger.opened(entry)


@pytest.fixture
def image(tmp_path):
    """A folder with a split image of the samples and a note beside it."""
    folder = tmp_path / "case"
    folder.mkdir()
    for name in ("image-split.E01", "image-split.E02"):
        shutil.copy(shared("samples", *SPLIT, name), folder / name)
    (folder / "note.txt").write_text("found in the office")
    return folder


def test_every_row_and_every_file_is_accounted_for(house, files):
    a = md5((files / "a.txt").read_bytes()).hexdigest()
    (files.parent / "list.csv").write_text(
        "path;collector;place;time;conditions;md5;camera\n"
        f"a.txt;A. Field;Mosul;2026-01-02T03:04:05+02:00;no press;{a};Canon\n"
        "sub/b.bin;B. Field;Erbil;;;;\n"
        "gone.jpg;B. Field;Erbil;;;;\n"
    )
    words = [
        "ingest",
        files,
        "--case",
        CODE,
        "--no-extract",
        "--collected-by",
        "C. House",
        "--source",
        "K.",
    ]
    said = house.evidence(*words, "--manifest", files.parent / "list.csv", person="investigator")
    assert said.code == 1  # something was announced and is not there
    found = by_status(said)
    assert found["unmatched-row"] == [
        {"status": "unmatched-row", "row": "list.csv, line 4", "path": "gone.jpg"}
    ]
    assert [line["path"] for line in found["unlisted-file"]] == ["in/empty"]
    [summary] = found["manifest"]
    assert (summary["rows"], summary["listed_files"], summary["unused_columns"]) == (
        3,
        2,
        ["camera"],
    )
    assert summary["sha256"] == (
        "sha256:" + sha256((files.parent / "list.csv").read_bytes()).hexdigest()
    )
    numbers = {line["path"]: line["exhibit"] for line in found["registered"]}
    assert set(numbers) == {"in/a.txt", "in/empty", "in/sub/b.bin"}
    first = opened(house, numbers["in/a.txt"])
    assert (first["collected_by"], first["place"], first["source"]) == ("A. Field", "Mosul", "K.")
    assert first["detail"]["conditions"] == "no press"
    assert opened(house, numbers["in/sub/b.bin"])["collected_by"] == "B. Field"
    assert opened(house, numbers["in/empty"])["collected_by"] == "C. House"
    calculated = [e.fields for e in house.entries() if "verification" in e.fields]
    assert [fields["outcome"] for fields in calculated[:3]] == ["pass", "done", "done"]
    [begun] = [e for e in house.entries() if e.fields["type"] == "submission"]
    assert house.repo.ledger.opened(begun)["detail"]["manifest"]["sha256"] == summary["sha256"]


def test_a_list_of_other_files_is_no_silent_success(house, files):
    (files.parent / "list.csv").write_text("path,place\nx/1.jpg,Mosul\nx/2.jpg,Erbil\n")
    said = house.evidence(
        "ingest", files, "--case", CODE, "--no-extract", "--manifest", files.parent / "list.csv"
    )
    assert said.code == 1
    found = by_status(said)
    assert [len(found[name]) for name in ("unmatched-row", "unlisted-file", "registered")] == [
        2,
        3,
        3,
    ]


def test_the_missing_file_comes_with_the_same_command_and_nothing_twice(house, files):
    lines = [
        f"{sha256((files / name).read_bytes()).hexdigest()}  {name}"
        for name in ("a.txt", "sub/b.bin", "empty")
    ]
    lines.append(f"{sha256(b'late').hexdigest()} *late.txt")
    (files.parent / "SHA256SUMS").write_text("\n".join(lines) + "\n")
    words = [
        "ingest",
        files,
        "--case",
        CODE,
        "--no-extract",
        "--manifest",
        files.parent / "SHA256SUMS",
    ]
    first = by_status(house.evidence(*words))
    assert len(first["registered"]) == 3
    (files / "late.txt").write_bytes(b"late")
    said = house.evidence(*words)
    assert said.code == 0, said.err
    second = by_status(said)
    assert len(second["registered"]) == 4
    before = {line["path"]: line["exhibit"] for line in first["registered"]}
    assert (
        before.items() <= {line["path"]: line["exhibit"] for line in second["registered"]}.items()
    )
    assert {line["submission"] for line in second["registered"]} == {
        line["submission"] for line in first["registered"]
    }


def test_a_wrong_list_takes_nothing_in(house, files):
    (files.parent / "list.csv").write_text("path,time\na.txt,2026-01-02\nsub/b.bin,31/12/2026\n")
    before = house.repo.ledger.size()
    said = house.evidence(
        "ingest", files, "--case", CODE, "--no-extract", "--manifest", files.parent / "list.csv"
    )
    assert said.code == 2
    assert "list.csv, line 3" in said.err
    assert said.err.count("\n") == 1
    assert house.repo.ledger.size() == before
    for words in (["--manifest", files.parent / "none"], ["--manifest-root", "x"], ["--near"]):
        assert house.evidence("ingest", files, "--case", CODE, "--no-extract", *words).code == 2
    assert house.repo.ledger.size() == before


def test_a_digest_of_the_list_that_differs_quarantines_that_file_alone(house, files):
    (files.parent / "sums").write_text(f"{'0' * 64}  a.txt\n")
    said = house.evidence(
        "ingest", files, "--case", CODE, "--no-extract", "--manifest", files.parent / "sums"
    )
    assert said.code == 1
    found = by_status(said)
    assert [line["path"] for line in found["quarantined"]] == ["in/a.txt"]
    assert len(found["registered"]) == 2


def test_a_digest_declared_later_is_compared_with_what_was_registered(house, files):
    first = house.evidence("ingest", files / "a.txt", "--case", CODE, "--no-extract")
    submission = first.lines[0]["submission"]
    words = ["ingest", files / "a.txt", "--case", CODE, "--no-extract", "--submission", submission]
    good = house.evidence(*words, "--digest", f"md5:{md5(b'first').hexdigest()}")
    assert (good.code, good.lines[0]["exhibit"]) == (0, first.lines[0]["exhibit"])
    bad = house.evidence(*words, "--digest", f"md5:{'0' * 32}")
    assert (bad.code, bad.lines[0]["error"]) == (1, "digest-mismatch")


def test_what_a_list_says_otherwise_of_what_is_registered_is_no_silent_success(house, files):
    listed = files.parent / "list.csv"
    words = ["ingest", files, "--case", CODE, "--no-extract", "--manifest", listed]
    listed.write_text("path,place\na.txt,Mosul\ngone.jpg,Erbil\n")
    assert house.evidence(*words).code == 1
    listed.write_text("path,place,collected_at\na.txt,Erbil,2026-01-02\n")
    said = house.evidence(*words)
    [failed] = by_status(said)["failed"]
    assert (said.code, failed["error"]) == (2, "already-exists")
    listed.write_text("path,place\na.txt,Mosul\n")
    assert house.evidence(*words).code == 0
    named = [*words[:5], "--submission", failed["submission"]]
    assert house.evidence(*named, "--place", "Kherson").code == 2
    assert house.evidence(*named).code == 0


def test_a_list_from_another_machine_and_system(house, files):
    rows = [("a.txt", "E:\\Evidence\\A.TXT"), ("sub/b.bin", "E:\\Evidence\\sub\\b.bin")]
    text = "%%%% HASHDEEP-1.0\n%%%% size,sha256,filename\n## Invoked from: E:\\\n"
    for name, path in rows:
        data = (files / name).read_bytes()
        text += f"{len(data)},{sha256(data).hexdigest()},{path}\n"
    (files.parent / "list.txt").write_text(text)
    words = [
        "ingest",
        files,
        "--case",
        CODE,
        "--no-extract",
        "--manifest",
        files.parent / "list.txt",
    ]
    words += ["--manifest-root", "E:\\Evidence\\"]
    left = by_status(house.evidence(*words))
    assert [(line["path"], line["file"]) for line in left["near-match-left"]] == [
        (rows[0][1], "in/a.txt"), (rows[1][1], "in/sub/b.bin"),
    ]  # fmt: skip
    assert len(left["unmatched-row"]) == 2
    said = house.evidence(*words, "--near")
    assert said.code == 0, said.err
    assert len(by_status(said)["near-match"]) == 2


def test_a_bag_is_taken_in_with_the_digests_of_its_manifests(house, tmp_path):
    bag = tmp_path / "bag"
    shutil.copytree(shared("hostile", "bagit", "v0.97", "valid", "bag-with-encoded-names"), bag)
    said = house.evidence("ingest", bag, "--case", CODE, "--no-extract", "--manifest", bag)
    assert said.code == 0, said.err
    found = by_status(said)
    passed = [e for e in house.entries() if e.fields["type"] == "message_digest_calculation"]
    outcomes = sorted(e.fields["outcome"] for e in passed)
    assert outcomes.count("pass") == len(found["registered"]) - len(found["unlisted-file"])
    assert {line["path"] for line in found["unlisted-file"]} <= {"bag/tagmanifest-md5.txt"}
    (bag / "data" / "%test2.txt").write_text("changed")
    again = house.evidence("ingest", bag, "--case", CODE, "--no-extract", "--manifest", bag)
    assert again.code == 1
    assert [line["path"] for line in by_status(again)["quarantined"]] == ["bag/data/%test2.txt"]


def test_a_split_image_is_kept_apart_unless_it_is_confirmed(house, image):
    said = house.evidence("ingest", image, "--case", CODE, "--no-extract")
    found = by_status(said)
    [proposed] = found["proposed-thing"]
    assert proposed["joined"] is False
    assert proposed["parts"] == ["case/image-split.E01", "case/image-split.E02"]
    assert [line["status"] for line in said.lines] == ["registered"] * 3


def test_a_split_image_becomes_one_exhibit_and_leaves_as_one(house, image, tmp_path):
    words = ["ingest", image, "--case", CODE, "--things", "join", "--no-extract"]
    said = house.evidence(*words, person="investigator")
    assert said.code == 0, said.err
    [whole] = [line for line in said.lines if "parts" in line and line.get("exhibit")]
    names = ["case/image-split.E01", "case/image-split.E02"]
    assert [part["path"] for part in whole["parts"]] == names
    out = tmp_path / "out"
    said = house.evidence(
        "retrieve", whole["exhibit"], "--out", out, "--purpose", "analysis", person="analyst"
    )
    assert said.code == 0, said.err
    for n, name in enumerate(("image-split.E01", "image-split.E02"), 1):
        written = out / f"{whole['exhibit']}.{n}.bin"
        assert written.read_bytes() == (image / name).read_bytes()
    bundle = tmp_path / "bundle"
    assert house.evidence(
        "export", "--case", CODE, "--out", bundle, "--purpose", "court", person="prosecutor"
    ).code == 0  # fmt: skip
    assert exit_code(verify_path(bundle, None)) == 0
    part = bundle / "data" / f"{whole['exhibit']}.2.bin"
    part.chmod(0o600)
    data = bytearray(part.read_bytes())
    data[-1] ^= 1
    part.write_bytes(data)
    assert exit_code(verify_path(bundle, None)) == 1


def test_the_same_command_goes_on_with_things_and_registers_none_twice(house, image):
    (image / "link").symlink_to("nowhere")  # keeps the submission open
    words = ["ingest", image, "--case", CODE, "--things", "join", "--no-extract"]
    first = by_status(house.evidence(*words))
    numbers = {line["path"]: line["exhibit"] for line in first["registered"]}
    size = house.repo.ledger.size()
    again = by_status(house.evidence(*words))
    assert {line["path"]: line["exhibit"] for line in again["registered"]} == numbers
    # and what was confirmed once is not asked again
    plain = by_status(house.evidence(*[w for w in words if w not in ("--things", "join")]))
    assert {line["path"]: line["exhibit"] for line in plain["registered"]} == numbers
    types = [e.fields["type"] for e in house.repo.ledger.entries(size)]
    assert "registration" not in types


def test_a_set_with_a_gap_is_named_and_not_joined(house, image):
    (image / "image-split.E01").rename(image / "image-split.E03")
    said = house.evidence("ingest", image, "--case", CODE, "--things", "join", "--no-extract")
    found = by_status(said)
    [proposed] = found["proposed-thing"]
    assert (proposed["joined"], proposed["missing"]) == (False, ["image-split.E01"])
    assert len(found["registered"]) == 3


def test_a_digest_of_one_segment_that_differs_sets_the_image_apart(house, image):
    rows = [f"{sha256((image / 'image-split.E01').read_bytes()).hexdigest()}  image-split.E01"]
    rows.append(f"{'0' * 64}  image-split.E02")
    (image.parent / "sums").write_text("\n".join(rows) + "\n")
    words = ["ingest", image, "--case", CODE, "--no-extract", "--things", "join"]
    found = by_status(house.evidence(*words, "--manifest", image.parent / "sums"))
    [apart] = found["quarantined"]
    assert [part["path"] for part in apart["parts"]] == [
        "case/image-split.E01", "case/image-split.E02",
    ]  # fmt: skip
    [line] = house.evidence("quarantine", "list").lines
    assert [part["mismatches"] for part in line["parts"]] == [[], ["sha256"]]
    said = house.evidence("quarantine", "release", apart["quarantine"], "--motive", "mistyped")
    assert said.code == 0, said.err
    [shown] = house.evidence("show", said.lines[0]["exhibit"]).lines
    assert len(shown["parts"]) == 2


def test_a_database_and_its_log_are_one_exhibit_by_the_word_of_the_list(house, tmp_path):
    folder = tmp_path / "phone"
    folder.mkdir()
    for name in ("sms.db", "sms.db-wal", "sms.db-shm"):
        (folder / name).write_bytes(name.encode())
    (folder / "list.jsonl").write_text(
        '{"path": "sms.db", "thing": "sms", "place": "Mosul"}\n'
        '{"path": "sms.db-wal", "thing": "sms"}\n{"path": "sms.db-shm", "thing": "sms"}\n'
    )
    said = house.evidence(
        "ingest", folder, "--case", CODE, "--no-extract", "--manifest", folder / "list.jsonl"
    )
    assert said.code == 0, said.err
    found = by_status(said)
    assert "proposed-thing" not in found
    [whole] = [line for line in found["registered"] if "parts" in line]
    assert [part["path"] for part in whole["parts"]] == [
        "phone/sms.db", "phone/sms.db-wal", "phone/sms.db-shm",
    ]  # fmt: skip
    assert opened(house, whole["exhibit"])["place"] == "Mosul"


@pytest.mark.parametrize(("answers", "exhibits"), [("all\n", 2), ("none\n", 3), ("each\ny\n", 2)])
def test_at_a_terminal_the_submitter_is_asked(house, image, answers, exhibits):
    """A real terminal: a pseudo-terminal as standard input and standard error."""
    master, slave = os.openpty()
    words = ["--data", str(house.data), "ingest", str(image), "--case", CODE, "--no-extract"]
    os.write(master, answers.encode())
    ran = subprocess.run(
        [sys.executable, "-m", "api.cli", *words],
        stdin=slave, stderr=slave, stdout=subprocess.PIPE, cwd=ROOT, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    os.close(slave)
    shown = os.read(master, 65_536).decode()
    os.close(master)
    assert ran.returncode == 0, shown
    assert "segments of an image (EnCase), 2 parts" in shown
    assert ran.stdout.decode().count(f"{CODE}-") == exhibits, ran.stdout


def test_a_list_of_many_files_is_matched_one_to_one(house, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    rows = []
    for n in range(300):
        (folder / f"{n:05d}.jpg").write_bytes(b"%d" % n)
        rows.append(f"{sha256(b'%d' % n).hexdigest()}  {n:05d}.jpg")
    Path(tmp_path / "sums").write_text("\n".join(reversed(rows)) + "\n")
    words = ["ingest", folder, "--case", CODE, "--no-extract", "--manifest", tmp_path / "sums"]
    said = house.evidence(*words)
    assert said.code == 0, said.err
    found = by_status(said)
    assert len(found["registered"]) == 300
    assert set(found) == {"registered", "manifest"}

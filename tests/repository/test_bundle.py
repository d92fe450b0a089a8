"""A court bundle: closed by the ledger, in volumes, by reference, and what strangers make of it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import bagit
import pytest
from click.exceptions import Exit
from sqlalchemy import select

from api.commands.context import Context
from api.commands.court import _report
from custody import verify
from custody.errors import LedgerUnavailable
from custody.findings import Finding
from custody.note import COSIGNATURE_ED25519, VerifierKey
from repository import exports
from repository.errors import BadRequest, StoreUnavailable
from repository.exports.bag import FolderBag
from repository.exports.choice import full_version
from repository.exports.interrupted import left
from repository.exports.kept import Kept, entries_of
from repository.exports.verify_text import LANGUAGES, verify_text
from repository.models import Exhibit
from tests.house import House, own_house, run
from tests.repository.printed_steps import run_printed

CONTENTS = {"a.bin": b"a" * 700, "b.bin": b"b" * 600, "c.bin": b"c" * 300, "empty.bin": b""}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with own_house(tmp_path_factory.mktemp("house")) as found:
        files = tmp_path_factory.mktemp("files")
        for name, content in CONTENTS.items():
            (files / name).write_bytes(content)
            found.ingest(files / name)
        yield found


def exported(house: House, place: Path, *words: object, code: int = 0) -> Path:
    said = house.evidence("export", "--case", "KRN", "--purpose", "court", "--out", place, *words)
    assert said.code == code, said.err
    return place


def claims(bundle: Path, *payload: Path) -> dict[str, verify.Finding]:
    return {one.claim: one for one in verify.verify_path(bundle, None, payload=payload)}


@pytest.fixture(scope="module")
def whole(house, tmp_path_factory):
    return exported(house, tmp_path_factory.mktemp("whole") / "bundle")


@pytest.fixture(scope="module")
def volumes(house, tmp_path_factory):
    place = tmp_path_factory.mktemp("volumes") / "bundle"
    return sorted(exported(house, place, "--volume-size", "1kB").iterdir())


def test_a_bundle_is_closed_by_the_entry_that_names_its_tag_manifest(house, whole):
    found = claims(whole)
    assert found["closing"].outcome == "pass"
    assert found["complete"].detail == "4 exhibits are here"
    assert "KRN-000001 1-" in found["exhibit.seq"].detail
    closing = json.loads((whole / verify.CLOSING).read_text())
    bodies = [entry.body.decode() for entry in house.entries()]
    assert bodies[closing["closed"]["index"]] == closing["closed"]["body"]


def test_who_lists_a_changed_file_anew_cannot_close_the_bundle(whole, tmp_path):
    bundle = Path(shutil.copytree(whole, tmp_path / "bundle"))
    custody = json.loads((bundle / "custody.json").read_text())
    custody["left_out"] = []
    (bundle / "custody.json").write_text(json.dumps(custody))
    bagit.Bag(str(bundle)).save(manifests=True)
    text = (bundle / verify.TAGS).read_text().splitlines(keepends=True)
    text = [line.replace(" ", "  ", 1) if "  " not in line else line for line in text]
    kept = [line for line in text if verify.CLOSING not in line]
    (bundle / verify.TAGS).write_text("".join(sorted(kept, key=lambda one: one[66:])))
    assert claims(bundle)["closing"].outcome == "fail"


def test_volumes_hold_whole_exhibits_in_their_order(volumes):
    assert [one.name for one in volumes] == ["volume-1", "volume-2"]
    names = [sorted(path.name for path in (one / "data").iterdir()) for one in volumes]
    assert names == [
        ["KRN-000001.bin"],
        ["KRN-000002.bin", "KRN-000003.bin", "KRN-000004.bin"],
    ]
    assert "Bag-Count: 2 of 2\n" in (volumes[1] / "bag-info.txt").read_text()
    first, second = ((one / "custody.json").read_bytes() for one in volumes)
    assert first == second


def test_each_volume_is_a_bag_and_tells_what_is_in_the_others(volumes, capsys):
    for place, other in ((0, 1), (1, 0)):
        assert bagit.Bag(str(volumes[place])).is_valid()
        found = claims(volumes[place])
        assert found["complete"].outcome == "not-done"
        assert f"(volume {other + 1})" in found["complete"].detail
        assert {one.outcome for one in found.values()} == {"pass", "not-done"}
        assert verify.main([str(volumes[place])]) == 3
        assert verify.main([str(volumes[place]), "--payload", str(volumes[other])]) == 0
    assert "were found with --payload" in capsys.readouterr().out


def test_a_volume_of_another_export_is_not_one_of_these(house, volumes, tmp_path):
    later = exported(house, tmp_path / "later", "--volume-size", "1kB")
    (bundle,) = [Path(shutil.copytree(volumes[0], tmp_path / "bundle"))]
    shutil.copy(later / "volume-1" / verify.CLOSING, bundle / verify.CLOSING)
    assert claims(bundle)["closing"].outcome == "fail"


def test_a_size_that_holds_everything_makes_one_bag(house, tmp_path):
    place = exported(house, tmp_path / "bundle", "--volume-size", "1GB")
    assert verify.exit_code(verify.verify_path(place, None)) == 0
    assert "volumes" not in json.loads((place / "custody.json").read_text())


@pytest.mark.parametrize("size", ["650B", "0", "much", "-1"])
def test_an_exhibit_larger_than_a_volume_stops_the_export(house, tmp_path, size):
    before = len(house.entries())
    exported(house, tmp_path / "bundle", "--volume-size", size, code=2)
    assert list(tmp_path.iterdir()) == []
    if size == "650B":
        assert house.last("report_generated")["outcome"] == "aborted"
    else:
        assert len(house.entries()) == before


def test_by_reference_all_proofs_go_and_no_bytes(house, tmp_path):
    place = exported(house, tmp_path / "bundle", "--by-reference")
    assert list((place / "data").iterdir()) == []
    assert bagit.Bag(str(place)).is_valid()
    assert claims(place)["complete"].outcome == "not-done"
    told = json.loads((place / "custody.json").read_text())["left_out"]
    assert told[0]["what"] == f"the bytes of the exhibits (in all: {len(CONTENTS)})"
    disk = tmp_path / "disk"
    disk.mkdir()
    for name, content in CONTENTS.items():
        (disk / name).write_bytes(content)  # under the names they had
    assert verify.main([str(place), "--payload", str(disk)]) == 0
    (disk / "KRN-000002.bin").write_bytes(b"another")
    said = house.evidence("verify", place, "--payload", disk)
    assert said.code == 1
    assert "KRN-000002.bin is not what was registered" in said.out


def test_a_full_disk_leaves_nothing_that_looks_complete_and_the_same_again_goes_on(
    house, tmp_path, monkeypatch
):
    def full(self: FolderBag, *_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(FolderBag, "seal", full)
        exported(house, tmp_path / "bundle", code=3)
    assert {one.name[:16] for one in tmp_path.iterdir()} == {".bundle.partial-"}
    broken = house.last("report_generated")
    assert (broken["outcome"], broken["reason"]) == ("aborted", "disk-full")
    exported(house, tmp_path / "bundle")
    assert [one.name for one in tmp_path.iterdir()] == ["bundle"]
    assert verify.exit_code(verify.verify_path(tmp_path / "bundle", None)) == 0
    assert house.last("report_generated")["request_id"] == broken["request_id"]


def test_an_export_that_was_killed_before_its_end_is_not_whole(house, whole, tmp_path):
    bundle = Path(shutil.copytree(whole, tmp_path / "bundle"))
    (bundle / verify.CLOSING).unlink()
    said = house.evidence("verify", bundle)
    assert said.code == 3
    assert "the export did not end" in said.out


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_printed_steps_check_a_bundle_in_each_language(whole, language):
    name, text = verify_text(language)
    assert (whole / name).read_bytes() == text
    assert b"{" not in text
    before = sorted(path.name for path in whole.iterdir())
    said = run_printed(whole, name)
    assert said.returncode == 0, said.stderr
    assert "Signature Verified Successfully" in said.stdout
    files = sum(path.is_file() for path in whole.rglob("*"))
    assert said.stdout.count(": OK\n") == files - 2  # but the tag manifest, and what closes it
    assert sorted(path.name for path in whole.iterdir()) == before


@pytest.mark.parametrize("name", ["data/KRN-000001.bin", "ledger/checkpoint", verify.TAGS])
def test_the_printed_steps_find_what_was_changed(whole, tmp_path, name):
    bundle = Path(shutil.copytree(whole, tmp_path / "bundle"))
    data = (bundle / name).read_bytes()
    (bundle / name).write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    (bundle / "VERIFY.txt").write_text(  # without the verifier: the other tools find it too
        (whole / "VERIFY.txt").read_text().replace("python3 -I verify.py .", "true")
    )
    assert run_printed(bundle).returncode != 0


def opened(bundle: Path) -> dict[str, set[str]]:
    """Which fields are opened in the entries about each exhibit; "" is the house."""
    found: dict[str, set[str]] = {}
    for entry in json.loads((bundle / "custody.json").read_text())["entries"]:
        number = json.loads(entry["body"]).get("exhibit", {}).get("number", "")
        found.setdefault(number, set()).update(entry["openings"])
    return found


def test_what_is_withheld_stays_a_commitment_and_every_proof_holds(house, whole, tmp_path):
    words = ["--withhold", "actor_name", "--withhold", "KRN-000002:name", "--redaction-of", whole]
    place = exported(house, tmp_path / "redacted", *words)
    every = opened(whole)
    assert all("actor_name" in names for names in every.values())
    assert "name" in every["KRN-000002"]
    found = opened(place)
    assert not any("actor_name" in names for names in found.values())
    assert "name" not in found["KRN-000002"]
    assert "name" in found["KRN-000001"]
    judged = claims(place)
    assert verify.exit_code(list(judged.values())) == 0
    assert {judged[one].outcome for one in ("inclusion", "openings", "closing")} == {"pass"}
    left = {one["what"] for one in json.loads((place / "custody.json").read_text())["left_out"]}
    assert "the values of 1 fields name" in left
    # bound to the full one: its digest is in this one's own entry, which the reader has
    document = json.loads((place / "custody.json").read_text())
    manifest = verify.measure(whole / verify.TAGS)["digests"]["sha256"]
    assert json.loads(document["entries"][-1]["body"])["inputs"] == [manifest]
    report = b"".join((place / "custody-report.pdf").read_bytes().split())
    assert report.startswith(b"%PDF")


def test_what_is_withheld_stands_nowhere_in_the_bundle(house, tmp_path):
    if shutil.which("pdftotext") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "pdftotext is not installed (Debian: poppler-utils)"
        )
    said = ["--recipient", "Quiet Court", "--authority", "Warrant 17/26"]
    told = ["Quiet Court", "Warrant 17/26", "The bridge"]
    place = exported(house, tmp_path / "told", *said)
    assert [one for one in told if one not in _texts(place)] == []
    fields = ("recipient", "authority", "case", "purpose", "actor_name")
    hidden = [word for field in fields for word in ("--withhold", field)]
    place = exported(house, tmp_path / "quiet", *said, *hidden)
    assert [one for one in told if one in _texts(place)] == []
    assert verify.main([str(place)]) == 0


def _texts(place: Path) -> str:
    """Return all that can be read in a bundle: of its PDF the text, without breaks of lines."""
    pdf = subprocess.run(
        ["pdftotext", place / "custody-report.pdf", "-"], capture_output=True, check=True
    ).stdout.decode()
    files = [one for one in place.rglob("*") if one.is_file() and one.suffix != ".pdf"]
    return " ".join(pdf.split()) + "".join(one.read_text(errors="replace") for one in files)


def test_with_reveal_nothing_else_is_opened(house, tmp_path):
    place = exported(house, tmp_path / "b", "--reveal", "purpose", "--reveal", "KRN-000001:name")
    found = opened(place)
    assert found["KRN-000001"] == {"purpose", "name"}
    assert found["KRN-000002"] == {"purpose"}
    assert verify.main([str(place)]) == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--withhold", "nothing"],
        ["--reveal", "KRN-000099:name"],
        ["--reveal", "name", "--withhold", "name"],
        ["--withhold", "actor_name", "--annotations", "note"],
    ],
)
def test_a_choice_that_cannot_be_meant_is_refused(house, tmp_path, words):
    exported(house, tmp_path / "b", *words, code=2)
    assert list(tmp_path.iterdir()) == []


def test_a_redaction_is_of_a_bundle_that_this_ledger_closed(house, whole, tmp_path):
    bundle = Path(shutil.copytree(whole, tmp_path / "bundle"))
    closing = json.loads((bundle / verify.CLOSING).read_text())
    closing["closed"]["index"] = 0
    (bundle / verify.CLOSING).write_text(json.dumps(closing, separators=(",", ":")))
    exported(house, tmp_path / "b", "--redaction-of", bundle, code=2)
    (bundle / verify.CLOSING).unlink()
    exported(house, tmp_path / "b", "--redaction-of", bundle, code=2)
    assert not (tmp_path / "b").exists()


KILLED = """
import os, signal, sys
from api.cli import main
from repository import exports
where, nth = sys.argv[1].split(":")
count, real = 0, getattr(exports, where)
def counted(*given, **named):
    global count
    count += 1
    if count == int(nth):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **named)
setattr(exports, where, counted)
main(sys.argv[2:])
"""


@pytest.mark.parametrize("where", ["verified_whole:3", "closing_file:1"])
def test_a_killed_export_goes_on_with_the_same_command(house, tmp_path, where):
    place = tmp_path / "bundle"
    words = ["export", "--case", "KRN", "--purpose", "court", "--out", str(place)]
    words += ["--twins", "none"]
    url = house.repo.settings.database_url
    done = subprocess.run(
        [sys.executable, "-c", KILLED, where, "--data", str(house.data), *words],
        env={**os.environ, **({"EVIDENCE_DATABASE_URL": url} if url else {})},
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    named = where == "closing_file:1"
    assert sorted(one.name[:16] for one in tmp_path.iterdir()) == (
        [".bundle.partial-", "bundle"] if named else [".bundle.partial-"] * 2
    )
    if named:
        assert not (place / verify.CLOSING).exists()
        assert verify.exit_code(verify.verify_path(place, None)) == 3
    killed = house.last("report_generated")
    assert killed["outcome"] == ("done" if named else "started")
    said = house.evidence(*words)
    assert said.code == 0, said.err
    assert [one.name for one in tmp_path.iterdir()] == ["bundle"]
    assert verify.exit_code(verify.verify_path(place, None)) == 0
    about = [
        e.fields for e in house.entries() if e.fields.get("request_id") == killed["request_id"]
    ]
    steps = [
        (one["outcome"], one.get("reason")) for one in about if one["type"] == "report_generated"
    ]
    before = [("done", None)] if named else []
    assert steps == [("started", None), *before, ("started", "resumed"), ("done", None)]


def test_another_export_there_removes_what_a_killed_one_left_and_records_it(house, tmp_path):
    place = tmp_path / "bundle"
    words = ["export", "--case", "KRN", "--purpose", "court", "--out", str(place)]
    url = house.repo.settings.database_url
    done = subprocess.run(
        [sys.executable, "-c", KILLED, "gather:1", "--data", str(house.data), *words],
        env={**os.environ, **({"EVIDENCE_DATABASE_URL": url} if url else {})},
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    killed = house.last("report_generated")["request_id"]
    said = house.evidence(*words, "--twins", "none")
    assert said.code == 0, said.err
    assert [one.name for one in tmp_path.iterdir()] == ["bundle"]
    assert house.last("report_generated")["request_id"] != killed
    ends = [
        (e.fields["type"], e.fields["outcome"], e.fields.get("reason"))
        for e in house.entries()
        if e.fields.get("request_id") == killed
    ]
    each = [("dissemination", "aborted", "interrupted")] * len(CONTENTS)
    assert ends[-5:] == [*each, ("report_generated", "aborted", "interrupted")]


@pytest.mark.parametrize(
    ("where", "spread"),
    [
        ("verified_whole:3", ()),
        ("gather:1", ("--volume-size", "1kB")),
        ("_close:1", ("--volume-size", "1kB")),
    ],
)
def test_what_goes_on_is_the_bundle_that_would_have_been_made_without_the_break(
    house, tmp_path, monkeypatch, where, spread
):
    """A copy of disk and database in the middle of an export is what a power cut leaves."""
    if house.repo.settings.database_url:
        pytest.skip("a database elsewhere is not copied with the folder")
    name, nth = where.split(":")
    real, calls = getattr(exports, name), []

    def copying(*given, **named):
        calls.append(name)
        if len(calls) == int(nth):
            (tmp_path / "whole" / "cut").mkdir(exist_ok=True)
            for one in [*(tmp_path / "whole").glob("bundle"), *(tmp_path / "whole").glob(".b*")]:
                copy = shutil.copytree if one.is_dir() else shutil.copy
                copy(one, tmp_path / "cut" / one.name)
            shutil.copytree(house.data, tmp_path / "data")
        return real(*given, **named)

    (tmp_path / "cut").mkdir()
    (tmp_path / "whole").mkdir()
    monkeypatch.setattr(exports, name, copying)
    whole = exported(house, tmp_path / "whole" / "bundle", *spread)
    monkeypatch.undo()
    written = sorted((tmp_path / "cut").rglob("KRN-*"))
    written[0].write_bytes(written[0].read_bytes()[:100])  # only so much reached the disk
    made = tmp_path / "cut" / "bundle"
    words = ["--data", tmp_path / "data", "export", "--case", "KRN", "--purpose", "court"]
    said = run(*words, "--out", made, *spread)
    assert said.code == 0, said.err
    assert "was interrupted here: it goes on" in said.err
    assert files_of(made) == files_of(whole)


def files_of(bundle: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(bundle)): one.read_bytes()
        for one in bundle.rglob("*")
        if one.is_file() and not one.match(verify.CLOSING)
    }


def test_what_a_living_export_writes_is_left_alone(house, tmp_path):
    place = tmp_path / "bundle"
    with FolderBag(place) as bag:
        bag.begun({"report": "R", "at": "2026-11-28T00:00:00Z"})
        bag.add("a", [b"a"])
        assert left(place) == []
        assert len(list(tmp_path.iterdir())) == 2


def test_a_receipt_of_a_bundle_is_sent_where_it_can_be_checked(house, tmp_path):
    (tmp_path / "receipt.json").write_text('{"kind":"bundle-receipt","v":1}')
    said = house.evidence("receipt", "check", tmp_path / "receipt.json")
    assert said.code == 1
    assert "python3 verify.py BUNDLE --receipt FILE" in said.out + said.err


def test_a_recipient_is_some_words_and_a_redaction_of_a_bundle_of_the_case(house, whole, tmp_path):
    for words in ("", " ", "R" * 501):
        said = exported(house, tmp_path / "bundle", "--recipient", words, code=2)
        assert not said.exists()
    closing = (whole / verify.CLOSING).read_bytes()
    assert full_version(house.repo, "KRN", closing)
    with pytest.raises(BadRequest, match="another case than OTHER"):
        full_version(house.repo, "OTHER", closing)


def test_an_export_that_is_refused_names_every_exhibit_that_may_not_go(tmp_path):
    with own_house(tmp_path / "house") as house:
        files = tmp_path / "files"
        files.mkdir()
        for name in ("a", "b", "c"):
            (files / name).write_bytes(name.encode())
        house.ingest(files)
        for number in ("KRN-000001", "KRN-000003"):
            assert house.evidence("mark", number, "--handling", "H1", "--motive", "m").code == 0
        words = ("export", "--case", "KRN", "--purpose", "court", "--out")
        said = house.evidence(*words, tmp_path / "bundle")
        assert said.code == 4
        assert "on KRN-000001: handling-h1; nor on KRN-000003: name" in said.err
        inside = house.evidence(*words, house.data / "work" / "bundle", "KRN-000002")
        assert inside.code == 2
        assert "in the repository's own folder; name one outside" in inside.err


def test_a_receipt_that_names_a_witness_who_did_not_cosign_fails(house, tmp_path):
    file = tmp_path / "receipt.json"
    assert house.evidence("receipt", "show", "KRN-000001", "--out", file).code == 0
    assert house.evidence("receipt", "check", file).code == 0
    told = json.loads(file.read_text())
    witness = VerifierKey("witness.example/w", COSIGNATURE_ED25519, bytes(32))
    for named in (str(witness), "a+b+c"):
        file.write_text(json.dumps({**told, "witnessed_by": [named]}))
        assert house.evidence("receipt", "check", file).code == 1


def test_what_is_no_bundle_is_told_in_one_line(house, tmp_path):
    (tmp_path / "notes.txt").write_text("of a person")
    (tmp_path / "bundle.tar.age").write_bytes(b"age-encryption.org/v1")
    for place, words in (
        (tmp_path, "is neither an exhibit nor a bundle"),
        (tmp_path / "notes.txt", "is neither an exhibit nor a bundle"),
        (tmp_path / "bundle.tar.age", "is encrypted; open it first"),
    ):
        said = house.evidence("verify", place)
        assert (said.code, said.out) == (2, "")
        assert words in said.err


def test_a_claim_a_bundle_may_leave_undone_is_required_of_a_repository(capsys):
    context = Context(data=None, settings_file=None, as_json=False, person=None)
    undone = Finding("time-stamps", "all", "not-done", "no root is pinned to judge them")
    for of_bundles, of_house, code in (([undone], [], 0), ([], [undone], 3)):
        with pytest.raises(Exit) as left_with:
            _report(context, of_bundles, of_house)
        assert left_with.value.exit_code == code
    assert "1 not-done" in capsys.readouterr().out


@pytest.mark.long
def test_an_export_killed_again_and_again_ends_as_one_bundle(house, tmp_path):
    """`kill -9` at any time, later each time, until one run is not killed any more."""
    place = tmp_path / "bundle"
    words = ["export", "--case", "KRN", "--purpose", "court", "--out", str(place)]
    url = house.repo.settings.database_url
    begun, delay = house.repo.ledger.size(), 0.5
    while True:
        one = subprocess.Popen(
            [sys.executable, "-c", KILLED, "gather:9", "--data", str(house.data), *words],
            env={**os.environ, **({"EVIDENCE_DATABASE_URL": url} if url else {})},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            code = one.wait(delay)
            break
        except subprocess.TimeoutExpired:
            one.kill()
            one.wait()
        assert not (place / verify.CLOSING).exists()
        delay += 0.3
    assert code == 0
    assert [one.name for one in tmp_path.iterdir()] == ["bundle"]
    assert verify.exit_code(verify.verify_path(place, None)) == 0
    steps = [
        (entry.fields["outcome"], entry.fields.get("reason"), entry.fields["request_id"])
        for entry in house.entries()[begun:]
        if entry.fields["type"] == "report_generated"
    ]
    assert len({report for *_, report in steps}) == 1
    assert steps[0][:2] == ("started", None)
    assert steps[-1][:2] == ("done", None)
    assert {step[:2] for step in steps[1:-1]} <= {("started", "resumed"), ("done", None)}


def test_entries_that_are_kept_for_a_report_have_what_is_equal_in_common(house):
    with house.repo.database.reading() as session:
        exhibits = list(session.scalars(select(Exhibit).order_by(Exhibit.number)))
    found = entries_of(house.repo, exhibits, house.repo.ledger.size())
    there = [house.repo.ledger.entry(one.index) for one in found.history]
    for kept, entry in zip(found.history, there, strict=True):
        withheld = dict.fromkeys(entry.fields.get("_sd", {}), "")
        told = {name: one for name, one in entry.fields.items() if name not in ("salt", "_sd")}
        assert {**kept.fields, "_sd": withheld} == {**told, "_sd": withheld}
        assert kept.is_of(entry.body)
        assert not kept.is_of(entry.body + b" ")
    assert len({id(one.fields["clock"]) for one in found.history}) == 1
    assert found.unfit == []
    assert sum(found.count.values()) == len(found.history)


def test_an_entry_that_changes_while_a_bundle_is_made_stops_it(house, tmp_path, monkeypatch):
    monkeypatch.setattr(Kept, "is_of", lambda self, body: b'"type":"receipt"' not in body)
    exported(house, tmp_path / "bundle", code=1)
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_that_is_whole_stays_so_when_the_store_goes_away_then(
    house, tmp_path, monkeypatch
):
    """It was called aborted in the ledger, after its closing entry, and the command failed."""

    def away(_: object) -> None:
        raise StoreUnavailable("the store does not answer")

    monkeypatch.setattr(exports, "publish", away)
    bundle = exported(house, tmp_path / "bundle")
    assert house.last("report_generated")["outcome"] == "done"
    assert verify.exit_code(verify.verify_path(bundle, None)) == 0


def test_a_ledger_that_goes_away_before_the_closing_entry_leaves_no_bundle(
    house, tmp_path, monkeypatch
):
    """It had its name by then, and kept it."""

    def away(*_: object) -> None:
        raise LedgerUnavailable("the database does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(exports, "take_lock", away)
        exported(house, tmp_path / "bundle", code=3)
    assert not (tmp_path / "bundle").exists()
    exported(house, tmp_path / "bundle")
    assert verify.exit_code(verify.verify_path(tmp_path / "bundle", None)) == 0

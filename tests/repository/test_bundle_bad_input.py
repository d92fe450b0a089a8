"""What an export meets: it completes and says so in the report, or stops with one clear reason."""

import contextlib
import json
import subprocess
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

import repository
from custody import verify
from custody.errors import LedgerUnavailable
from repository import exports, open_repository
from repository.exports.bag import FolderBag
from tests.house import CODE, House, own_house

NAMES = ("ok.txt", "marked.txt", "sealed.txt", "withdrawn.txt", "differs.txt", "gone.txt")
HELD = "held.txt"
ODD = "line\nbreak \u202egpj \ue000 \u200f" + "n" * 180


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    files = tmp_path_factory.mktemp("files")
    with own_house(tmp_path_factory.mktemp("house")) as found:
        for name in (*NAMES, HELD, ODD):
            (files / name).write_bytes(name.encode())
        taken = found.ingest(*(files / name for name in (*NAMES, HELD, ODD)))
        number = {
            name: one["exhibit"]
            for name in (*NAMES, HELD, ODD)
            for one in taken
            if one["sha256"] == f"sha256:{sha256(name.encode()).hexdigest()}"
        }
        for words in (
            ("mark", number["marked.txt"], "--handling", "H1", "--motive", "m"),
            ("mark", number["sealed.txt"], "--sealed", "--motive", "m"),
            ("mark", number["withdrawn.txt"], "--withdrawn", "--motive", "m"),
            ("hold", "place", number[HELD], "--matter", "Appeal", "--motive", "m"),
        ):
            said = found.evidence(*words)
            assert said.code == 0, said.err
        differs, gone = (found.stored_file(number[name]) for name in ("differs.txt", "gone.txt"))
        data = bytearray(differs.read_bytes())
        data[-1] ^= 1
        differs.chmod(0o600)
        differs.write_bytes(data)
        gone.unlink()
        yield found, number


def export(house: House, place: Path, *words: object):
    more = ("--purpose", "court", "--twins", "none", "--out", place)
    return house.evidence("export", "--case", CODE, *more, *words, person="prosecutor")


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("marked.txt", 4, "handling-h1"),
        ("sealed.txt", 2, "that you may know of"),
        ("withdrawn.txt", 4, "consent-withdrawn"),
        ("differs.txt", 1, "its bytes or its key are not those recorded"),
        ("gone.txt", 3, "is not in the store; nothing was handed out"),
    ],
)
def test_what_may_not_or_cannot_leave_stops_the_export_and_is_named(
    house, tmp_path, name, code, reason
):
    found, number = house
    said = export(found, tmp_path / "bundle", number["ok.txt"], number[name])
    assert (said.code, said.out) == (code, "")
    assert said.err.count("\n") == 1
    assert reason in said.err
    assert number[name] in said.err
    assert not (tmp_path / "bundle").exists()
    begun = name in ("differs.txt", "gone.txt")
    last = found.entries()[-1].fields
    assert last["outcome"] == ("aborted" if begun else "refused")


def test_a_hold_odd_names_and_an_authority_that_is_away_are_said_in_the_report(
    house, tmp_path, monkeypatch
):
    found, number = house
    monkeypatch.setenv("EVIDENCE_TSA_URLS", json.dumps(["http://127.0.0.1:9/tsa"]))
    monkeypatch.setenv("EVIDENCE_TSA_ROOTS_FILE", str(tmp_path / "roots.pem"))
    (tmp_path / "roots.pem").write_text("")
    authority = "R" * 1_500
    words = (number[HELD], number[ODD], "--authority", authority)
    said = export(found, tmp_path / "bundle", *words)
    assert said.code == 0, said.err
    left_out = {one["what"]: one["why"] for one in said.lines[-1]["left_out"]}
    assert "127.0.0.1" in left_out["time-stamp tokens"]
    assert verify.exit_code(verify.verify_path(tmp_path / "bundle", None)) == 0
    pdf = tmp_path / "bundle" / "custody-report.pdf"
    text = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, check=True).stdout.decode()
    plain = "".join(text.split())
    for told in ("Holdplaced", "U+000A", "U+202E", "U+E000", "U+200F", "127.0.0.1"):
        assert told in plain
    assert plain.count("R") >= len(authority)  # pages end in the middle of it


def test_a_recipient_whose_script_no_font_has_stops_the_export_and_no_later_one(house, tmp_path):
    """Recorded, it stood in every later report of the exhibit: none could be printed any more."""
    found, number = house
    before = found.repo.ledger.size()
    said = export(found, tmp_path / "bundle", number["ok.txt"], "--recipient", "\U00010900")
    assert said.code == 2
    assert "no font of the report has" in said.err
    assert found.repo.ledger.size() == before
    assert list(tmp_path.iterdir()) == []


class Stopping:
    """A clock that is right a number of times, and then gives no time any more."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> datetime:
        self.left -= 1
        if self.left < 0:
            raise LedgerUnavailable("this machine's clock gives no time")
        return datetime.now(UTC)


def test_a_clock_that_stops_while_a_bundle_is_made_leaves_nothing_that_looks_complete(
    house, tmp_path
):
    found, number = house
    asking = found.caller("prosecutor")
    words = {"code": CODE, "numbers": [number["ok.txt"]], "purpose": "court", "twins": ()}
    clock = Stopping(1_000)
    repo = open_repository(found.repo.settings, clock=clock)
    for times in range(1, 40):
        clock.left, place = times, tmp_path / f"bundle-{times}"
        with contextlib.suppress(LedgerUnavailable):
            done = exports.export(repo, asking, into=FolderBag(place), **words)
            break
        assert not place.exists(), times
    repo.close()
    assert times > 10  # it was stopped at every step
    assert done.exhibits == [number["ok.txt"]]
    assert verify.exit_code(verify.verify_path(place, None)) == 0


def test_a_machine_without_a_time_says_so(monkeypatch):
    class NoTime:
        @staticmethod
        def now(zone):
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(repository, "datetime", NoTime)
    with pytest.raises(LedgerUnavailable, match="clock gives no time"):
        repository.now()

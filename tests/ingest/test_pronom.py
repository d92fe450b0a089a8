"""PRONOM is asked in bounded time, and that it says nothing is an answer, never an error."""

import json
import os
import signal
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest import pronom
from ingest.extraction import NotARecord
from ingest.formats import pronom_from
from ingest.pronom import Witness
from ingest.sandbox import PYTHON, Sandbox
from tests.ingest.test_sandbox import broken_python
from tests.shared import shared

GIF = b"GIF89a\x01\0\x01\0\0\0\0;"


@pytest.fixture(scope="module")
def witness():
    witness = Witness(PYTHON)
    yield witness
    witness.close()


def asked(witness, content):
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return witness.ask(file.fileno())


def test_a_file_on_disk_and_one_in_memory_get_the_same_answer(witness):
    memory = os.memfd_create("x")
    os.write(memory, GIF)
    for found in (witness.ask(memory), asked(witness, GIF)):
        assert (found.puid, found.mimes) == ("fmt/4", ("image/gif",))
        assert found.tool.startswith("siegfried 1.")
        assert "DROID_SignatureFile_V" in found.tool
    os.close(memory)


@pytest.mark.parametrize("content", [b"", b"\x01", b"\x00\x99" * 500])
def test_what_matches_no_signature_has_no_identifier(witness, content):
    found = asked(witness, content)
    assert (found.puid, found.words) == (None, "no signature matches")


@pytest.mark.parametrize("size", [100 << 20, 8 << 30])
def test_a_long_file_is_known_by_its_ends_in_bounded_time(witness, size):
    """04 section 3: uncapped, an 8 GiB sparse file takes 43.7 s and the answer is wrong."""
    with tempfile.TemporaryFile() as file:
        file.write(b"%PDF-1.4\n")
        file.seek(size)
        file.write(b"\n%%EOF\n")
        file.flush()
        found = witness.ask(file.fileno())
    assert found.puid == "fmt/18"
    assert found.words.endswith("; of its first 48 and last 16 MiB")


def test_a_process_that_dies_is_replaced_and_the_file_has_no_identifier(witness):
    asked(witness, GIF)
    os.kill(witness._warm.process.pid, signal.SIGKILL)
    assert asked(witness, GIF).words == "the process that asks PRONOM ended on this file"
    assert asked(witness, GIF).puid == "fmt/4"


def test_a_process_that_hangs_is_replaced_and_the_reason_is_a_timeout(witness, monkeypatch):
    asked(witness, GIF)
    monkeypatch.setattr(pronom, "SECONDS", 0.2)
    os.kill(witness._warm.process.pid, signal.SIGSTOP)
    assert asked(witness, GIF).words.startswith("timeout: ")
    monkeypatch.undo()
    assert asked(witness, GIF).puid == "fmt/4"


def test_a_process_sees_some_files_and_is_then_replaced(witness, monkeypatch):
    monkeypatch.setattr(pronom, "FILES", 2)
    asked(witness, GIF)
    seen = [
        witness._warm.process.pid for found in (asked(witness, GIF) for _ in range(4)) if found.puid
    ]
    assert len(set(seen)) >= 2


def test_the_process_is_locked_before_it_meets_a_file(witness):
    asked(witness, GIF)
    assert witness._warm.hello["isolation"].endswith("+seccomp+rlimit")
    status = Path(f"/proc/{witness._warm.process.pid}/status").read_text()
    assert "Seccomp:\t2" in status
    assert "CapEff:\t0000000000000000" in status


def test_without_pygfried_one_witness_stands_alone(tmp_path):
    python = broken_python(tmp_path, "pygfried", "raise ImportError('no pygfried')")
    with Sandbox(clock=lambda: datetime.now(UTC), python=python) as sandbox:
        with tempfile.TemporaryFile() as file:
            file.write(GIF)
            record = sandbox.extract(file, name_hint="a.gif")
    assert (record.format.agreement, record.format.puid) == ("single", None)
    assert record.format.mime == "image/gif"
    assert "no pygfried" in record.format.witnesses[1]
    assert record.format.tools == ("libmagic 5.41",)


@pytest.mark.parametrize(
    "answer",
    [{}, {"tool": 1}, {"tool": "x", "words": "", "mimes": [], "puid": "<b>"},
     {"tool": "x", "words": "", "mimes": "text/plain", "puid": None}],
)  # fmt: skip
def test_an_answer_of_another_shape_is_none(answer):
    with pytest.raises(NotARecord):
        pronom_from(answer)


def test_a_hostile_answer_within_the_shape_is_bounded_and_visible():
    found = pronom_from(
        {"tool": "x" * 5000, "words": "\u202e" * 400, "puid": None, "mimes": ["<b>", "a/b"]}
    )
    assert (len(found.tool), found.mimes) == (300, ("a/b",))
    assert "\u202e" not in found.words


def test_samples_have_the_identifier_that_another_siegfried_gave_them(witness):
    """04 section 8: the PUID where the two agree; the signatures are those of the same version."""
    compared, wrong = 0, []
    for oracle in sorted(shared("samples").glob("*/.oracle/pronom-*.json")):
        for name, theirs in json.loads(oracle.read_text()).items():
            with (oracle.parents[1] / name).open("rb") as file:
                found = witness.ask(file.fileno())
            expected = theirs["puid"]
            if not any(kind in theirs["basis"] for kind in ("byte match", "container match")):
                continue
            compared += 1
            if found.puid != expected:
                wrong.append((name, found.puid, expected))
    assert compared > 150
    # The other was told the name as well; by its bytes PRONOM takes this zip for what is in it.
    assert wrong == [("wabac/example.zip", "fmt/1355", "x-fmt/263")]

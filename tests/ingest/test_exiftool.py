"""ExifTool behind the same contract: one run, no words of the file in it, its doubts kept."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest import lockdown, program
from ingest.extraction import Fact, Format, Found, Problem, Ran
from ingest.extractors import exiftool
from ingest.kept import Kept, arguments, collect
from ingest.sandbox import Sandbox
from tests.shared import ROOT, shared


def told(answer, mime="image/jpeg", code=0):
    """Return what becomes of an answer, and the arguments it was asked with."""
    asked = []

    def run(*arguments):
        asked.append(arguments)
        return Ran(code, answer, b"why")

    found = Found(Format(mime, "", "", False, "single", ("x",)), (), run)
    return list(exiftool.extract(io.BytesIO(b""), found)), asked


def answer(**tags):
    return json.dumps([{"SourceFile": "x", **tags}]).encode()


def test_it_is_asked_once_without_its_configuration_and_without_words_of_the_file():
    _, asked = told(answer())
    (words,) = asked
    assert words == arguments(exiftool.PROGRAM)
    assert words[:2] == ("-config", "")
    assert words[-1] == "/proc/self/fd/0"


def test_both_readings_of_a_value_are_kept_and_its_own_and_the_copy_s_are_left_out():
    items, _ = told(
        answer(
            **{
                "IFD0:Orientation": {"val": "Horizontal (normal)", "num": 1},
                "System:FileModifyDate": {"val": "2026:01:01 00:00:00"},
                "IFD1:ThumbnailImage": {"val": "(Binary data 10 bytes, use -b option to extract)"},
            }
        )
    )
    (one,) = items
    assert (one.name, one.value, one.raw) == ("IFD0:Orientation", "Horizontal (normal)", "1")


def test_warnings_are_remarks_and_errors_are_failures():
    items, _ = told(answer(**{"ExifTool:Warning": {"val": "w"}, "ExifTool:Error": {"val": "e"}}))
    assert items == [Problem("ExifTool: w", incomplete=False), Problem("ExifTool: e")]


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"[" * 100_000, b'["x"]', b"\xff\xfe"])
def test_an_answer_that_cannot_be_read_is_a_failure_and_no_exception(text):
    items, _ = told(text, code=1)
    assert [type(one) for one in items] in ([Problem], [])
    assert not any(isinstance(one, Fact) for one in items)


def test_invalid_utf8_in_its_json_is_survived():
    items, _ = told(b'[{"IFD0:Make": {"val": "a\xffb"}}]')
    assert items[0].value == "a\ufffdb"


def test_times_and_places_of_formats_only_it_reads_have_their_kind():
    tags = {"H264:DateTimeOriginal": {"val": "2019:04:24 22:24:00+02:00 DST"},
            "Composite:GPSPosition": {"val": "0 0", "num": "0 0"}}  # fmt: skip
    items, _ = told(answer(**tags), mime="video/mp2t")
    named = {one.name: one for one in items}
    moment = named["H264:DateTimeOriginal"]
    assert (moment.value, moment.tz, moment.kind) == ("2019-04-24T22:24:00+02:00", "+02:00", "time")
    assert "0,0" in next(one for one in items if one.kind == "place").suspect
    items, _ = told(answer(**tags), mime="image/jpeg")
    assert {one.kind for one in items} == {None}


@pytest.fixture(scope="module")
def sandbox():
    if program.find("exiftool") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("exiftool is not installed")
        pytest.skip("exiftool is not installed")
    with Sandbox(clock=lambda: datetime.now(UTC)) as sandbox:
        yield sandbox


def look(sandbox, data, name="a.jpg"):
    with in_memory(data) as file:
        return sandbox.extract(file, name_hint=name)


def in_memory(data):
    """Return a file as the service hands it over: in memory, unless it is large."""
    file = os.fdopen(os.memfd_create("evidence"), "w+b")
    file.write(data)
    file.flush()
    file.seek(0)
    return file


def test_in_the_sandbox_it_reads_the_maker_notes_of_a_real_photograph(sandbox):
    record = look(sandbox, shared("samples", "exiftool-formats", "Apple.jpg").read_bytes())
    found = {one.name: one.value for one in record.facts if one.source.startswith("exiftool")}
    assert found["Apple:RunTimeValue"]
    assert not any(name.startswith("System:") for name in found)
    (raw,) = record.raw
    assert (raw.tool, raw.exit, raw.args[-1]) == ("exiftool", 0, "/proc/self/fd/0")


def test_a_name_that_looks_like_an_option_reaches_it_no_more_than_any_other(sandbox):
    record = look(sandbox, exiftool.SAMPLE, "-execute -if x.jpg")
    assert "-execute" not in " ".join(record.raw[0].args)


def test_the_hanging_photographs_end_in_time(sandbox):
    for path in sorted(shared("hostile", "hanging").iterdir()):
        record = look(sandbox, path.read_bytes(), path.name)
        assert record.outcome in {"ok", "partial", "timeout"}, path


# --- kept warm ---


def test_kept_warm_it_prints_what_a_new_one_prints(sandbox):
    """In a small process, as the zygote is: a long run of tests has more files open than it may."""
    words = [sys.executable, "-c", "from tests.ingest import test_exiftool as t; t.compare()"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def compare():
    """Compare one that has read others before with one that is started for the file alone."""
    lockdown.prepare()
    place, wanted = program.find("exiftool"), exiftool.PROGRAM
    kinds = {}
    for path in sorted(shared("samples", "exiftool-formats").iterdir()):
        kinds.setdefault(path.suffix.lower(), path)
    kept = Kept(wanted, exiftool.LIMITS, exiftool.SAMPLE, lambda: None)
    try:
        damaged = sorted(shared("samples", "malformed-media", "fuzzing").glob("crash-aa2c*"))
        assert damaged  # of its length more is promised than there is memory
        for path in [*[path for path in kinds.values() if path.is_file()][::3], *damaged]:
            with in_memory(path.read_bytes()) as file:
                printing = kept.begin(file.fileno())
                warm, _ = collect(wanted, "", printing)
                printing.close()
                assert kept.settle()
                command = [str(place), *arguments(wanted)]
                new = subprocess.run(command, stdin=file, capture_output=True, check=False)
            assert _tags(warm.stdout) == _tags(new.stdout), path
            assert (warm.exit, warm.stderr) == (new.returncode, new.stderr), path
    finally:
        kept.close()


def _tags(printed):
    return json.loads(printed.decode("utf-8", "replace"), strict=False) if printed else None


def warm_process(sandbox):
    """Return the warm ExifTool: what stands below the zygote while it has no job."""
    zygote = sandbox._zygote.process.pid
    (found,) = Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()
    return int(found)


def test_the_warm_process_is_locked_and_stays_for_the_next_file(sandbox):
    look(sandbox, exiftool.SAMPLE)
    first = warm_process(sandbox)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{first}/status").read_text().splitlines()
        if ":\t" in line
    )  # fmt: skip
    assert (status["NoNewPrivs"], status["Seccomp"], int(status["CapEff"], 16)) == ("1", "2", 0)
    limits = Path(f"/proc/{first}/limits").read_text()
    assert re.search(rf"Max address space +{exiftool.LIMITS.memory_bytes} ", limits)
    assert re.search(rf"Max cpu time +{exiftool.LIMITS.cpu_seconds} ", limits)
    record = look(sandbox, exiftool.SAMPLE)
    assert (record.outcome, warm_process(sandbox)) == ("ok", first)
    assert "rlimit for exiftool" in record.sandbox


def test_a_warm_process_that_died_is_replaced(sandbox):
    look(sandbox, exiftool.SAMPLE)
    first = warm_process(sandbox)
    os.kill(first, signal.SIGKILL)
    record = look(sandbox, exiftool.SAMPLE)
    assert (record.outcome, len(record.raw)) == ("ok", 1)
    assert warm_process(sandbox) != first


def test_a_warm_process_that_hangs_is_a_time_out_and_ended_and_the_next_file_is_read(sandbox):
    look(sandbox, exiftool.SAMPLE)
    first = warm_process(sandbox)
    known = sandbox._zygote.extractors["exiftool"]["limits"]
    usual, known["wall_ms"] = known["wall_ms"], 500
    os.kill(first, signal.SIGSTOP)
    try:
        record = look(sandbox, exiftool.SAMPLE)
    finally:
        known["wall_ms"] = usual
    assert record.outcome == "partial"
    assert "exiftool: time limit: 500 ms" in record.problems
    assert not Path(f"/proc/{first}").exists()
    assert len(look(sandbox, exiftool.SAMPLE).raw) == 1


def test_the_warm_process_ends_with_its_zygote(sandbox):
    look(sandbox, exiftool.SAMPLE)
    below = warm_process(sandbox)
    os.kill(sandbox._zygote.process.pid, signal.SIGKILL)
    for _ in range(500):
        if not alive(below):
            break
        time.sleep(0.02)
    assert not alive(below)
    assert len(look(sandbox, exiftool.SAMPLE).raw) == 1


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_where_it_cannot_be_kept_warm_it_is_started_for_each_file(sandbox, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import ingest.kept\n"
        "def broken(*_): raise TimeoutError('not warm')\n"
        "ingest.kept.Kept.__init__ = broken\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}:$PYTHONPATH exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with Sandbox(clock=lambda: datetime.now(UTC), python=(str(python), "-P")) as cold:
        record = look(cold, exiftool.SAMPLE)
        zygote = cold._zygote.process.pid
        assert not Path(f"/proc/{zygote}/task/{zygote}/children").read_text()
    (raw,) = record.raw
    assert (record.outcome, raw.exit, raw.args) == ("ok", 0, arguments(exiftool.PROGRAM))


def test_a_file_on_disk_is_read_by_a_process_of_its_own(sandbox, tmp_path):
    """It cannot be opened by one that was locked before: Landlock knows it not."""
    (tmp_path / "a.jpg").write_bytes(exiftool.SAMPLE)
    with (tmp_path / "a.jpg").open("rb") as file:
        on_disk = sandbox.extract(file, name_hint="a.jpg")
    warm = look(sandbox, exiftool.SAMPLE)
    assert (on_disk.outcome, on_disk.raw[0].exit) == ("ok", 0)
    assert [one.args for one in on_disk.raw] == [one.args for one in warm.raw]
    assert on_disk.facts == warm.facts

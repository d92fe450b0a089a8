"""ExifTool behind the same contract: one run, no words of the file in it, its doubts kept."""

import io
import json
import os
import tempfile
from datetime import UTC, datetime

import pytest

from ingest import program
from ingest.extraction import Fact, Format, Found, Problem, Ran
from ingest.extractors import exiftool
from ingest.sandbox import Sandbox
from tests.shared import shared


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
    (arguments,) = asked
    assert arguments[:2] == ("-config", "")
    assert arguments[-1] == "/proc/self/fd/0"


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
    with tempfile.TemporaryFile() as file:
        file.write(data)
        return sandbox.extract(file, name_hint=name)


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

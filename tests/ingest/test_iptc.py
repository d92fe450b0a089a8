"""What IPTC records say, in which characters, and whether Photoshop's digest of them holds."""

import hashlib
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from ingest.extraction import Fact, Problem
from ingest.extractors import iptc, picture
from tests.ingest.containers import data_set, jpeg, photoshop, png
from tests.shared import shared

UTF8 = data_set(90, b"\x1b%G", record=1)


def items(record, *more):
    return list(iptc.extract(io.BytesIO(jpeg(photoshop((0x0404, record), *more))), None))


def facts(record, *more):
    return {one.name: one for one in items(record, *more) if isinstance(one, Fact)}


def test_a_declared_character_set_is_believed():
    found = facts(UTF8 + data_set(90, "Київ".encode()))["IPTC:City"]
    assert (found.value, found.suspect) == ("Київ", None)


def test_an_undeclared_one_is_read_and_marked():
    assert "UTF-8" in facts(data_set(90, "Київ".encode()))["IPTC:City"].suspect
    found = facts(data_set(90, b"Z\xfcrich"))["IPTC:City"]
    assert (found.value, found.raw) == ("Zürich", b"Z\xfcrich".hex())
    assert "Windows-1252" in found.suspect


def test_a_date_and_its_time_are_a_time_with_the_zone_they_state():
    found = facts(data_set(55, b"20200105") + data_set(60, b"150400+0200"))
    composite = found["Composite:DateTimeCreated"]
    assert (composite.value, composite.tz) == ("2020-01-05T15:04:00+02:00", "+02:00")
    bare = facts(data_set(55, b"20200105") + data_set(60, b"150400"))
    assert bare["Composite:DateTimeCreated"].tz == "unknown"
    assert "Composite:DateTimeCreated" not in facts(data_set(55, b"20200105"))


def test_a_record_changed_after_photoshop_digested_it_is_suspect():
    record = data_set(120, b"Bridge")
    right = (0x0425, hashlib.md5(record).digest())
    assert facts(record, right)["Photoshop:IPTCDigest"].suspect is None
    assert "changed" in facts(data_set(120, b"River"), right)["Photoshop:IPTCDigest"].suspect


def test_what_stood_before_the_break_is_kept_and_the_break_is_said():
    found = items(data_set(120, b"Bridge") + b"\x1c\x02\x19\xff")
    assert [one.value for one in found if isinstance(one, Fact)] == ["Bridge"]
    assert any(isinstance(one, Problem) and one.incomplete for one in found)


@given(st.binary(max_size=200))
def test_any_bytes_as_a_record_never_raise(record):
    for item in items(record):
        json.dumps(item.to_json())


def test_the_picture_extractor_says_who_wrote_a_photoshop_file():
    text = "Adobe Photoshop".encode("utf-16-be")
    version = b"\0\0\0\1\1" + (15).to_bytes(4, "big") + text + (0).to_bytes(4, "big")
    found = {
        one.name: one.value
        for one in picture.extract(io.BytesIO(jpeg(photoshop((0x0421, version)))), None)
        if isinstance(one, Fact)
    }
    assert found["Photoshop:WriterName"] == "Adobe Photoshop"


def test_the_texts_of_a_png_are_facts_and_its_times_have_no_guessed_zone():
    whole = png((b"tEXt", b"Creation Time\x002020-01-05T10:00:00"), (b"tEXt", b"Author\0Someone"))
    found = {
        one.name: one for one in picture.extract(io.BytesIO(whole), None) if isinstance(one, Fact)
    }
    assert (found["PNG:ImageWidth"].value, found["PNG:ImageHeight"].value) == ("3", "2")
    assert found["PNG:Author"].value == "Someone"
    assert (found["PNG:CreationTime"].kind, found["PNG:CreationTime"].tz) == ("time", "unknown")


def test_real_records_agree_with_exiftool():
    compared = 0
    for oracle in sorted(shared("samples").glob("*/.oracle/exiftool-12.57.json")):
        for name, tags in json.loads(oracle.read_text()).items():
            with (oracle.parents[1] / name).open("rb") as file:
                ours: dict[str, list[str]] = {}
                for one in iptc.extract(file, None):
                    if isinstance(one, Fact):
                        ours.setdefault(one.name, []).append(one.value)
            for tag in ("IPTC:Caption-Abstract", "IPTC:By-line", "IPTC:Keywords", "IPTC:City"):
                if tag in ours and tag in tags:
                    theirs = tags[tag] if isinstance(tags[tag], list) else [tags[tag]]
                    assert ours[tag] == [str(one).strip() for one in theirs], (name, tag)
                    compared += 1
    assert compared >= 15

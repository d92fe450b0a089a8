"""What office documents say: authors, times, revisions, links, macros; bombs and passwords."""

import hashlib
import io
import json
import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.extraction import Fact, Inhibitor, Member, Problem, Seal
from ingest.extractors import office, ole
from tests.ingest.documents import docx, odt
from tests.ingest.ole_files import ole as compound
from tests.ingest.ole_files import properties
from tests.shared import shared

NOON = datetime(2020, 1, 5, 12, 0, tzinfo=UTC)


def items(data, extractor=office):
    return list(extractor.extract(io.BytesIO(data), None))


def facts(data, extractor=office):
    return {one.name: one for one in items(data, extractor) if isinstance(one, Fact)}


def test_author_last_author_and_times_are_read():
    found = facts(
        docx(
            "<dc:creator>A</dc:creator><cp:lastModifiedBy>B</cp:lastModifiedBy>"
            "<cp:revision>7</cp:revision><dcterms:created>2020-01-05T12:00:00Z</dcterms:created>"
        )
    )
    assert found["XMP-dc:Creator"].value == "A"
    assert found["XML:LastModifiedBy"].value == "B"
    assert found["XML:RevisionNumber"].value == "7"
    assert (found["XML:CreateDate"].value, found["XML:CreateDate"].tz) == (
        "2020-01-05T12:00:00Z", "UTC",
    )  # fmt: skip


def test_an_open_document_s_time_has_no_zone_where_it_states_none():
    found = facts(odt("<meta:creation-date>2020-01-05T12:00:00</meta:creation-date>"))
    assert found["XMP-meta:Creation-date"].tz == "unknown"


def test_links_and_templates_that_lead_outside_are_facts():
    relation = (
        '<Relationships><Relationship TargetMode="External" Target="https://Example.org/t.dotm"'
        ' Type="http://x/attachedTemplate"/><Relationship Target="media/a.png"/></Relationships>'
    )
    found = facts(docx(**{"word/_rels/settings.xml.rels": relation}))
    one = found["XML:ExternalTarget"]
    assert (one.value, one.kind) == ("https://example.org/t.dotm", "url")


def test_macros_signatures_pictures_and_commenters_are_named():
    comment = '<w:comment w:author="C" w:date="2020-01-05T12:00:00Z"/>'
    comments = f'<w:comments xmlns:w="x">{comment}</w:comments>'
    found = items(
        docx(**{"word/vbaProject.bin": b"x", "_xmlsignatures/sig1.xml": "<a/>",
                "word/media/a.png": b"picture", "word/comments.xml": comments})
    )  # fmt: skip
    names = {one.name: one.value for one in found if isinstance(one, Fact)}
    assert names["XML:Macros"] == "word/vbaProject.bin"
    assert (names["XML:CommentAuthor"], names["XML:CommentDate"]) == ("C", "2020-01-05T12:00:00Z")
    assert [one.verdict for one in found if isinstance(one, Seal)] == ["not-checked"]
    (member,) = [one for one in found if isinstance(one, Member)]
    assert member.sha256 == f"sha256:{hashlib.sha256(b'picture').hexdigest()}"


def test_an_encrypted_open_document_is_an_inhibitor():
    manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>"
    assert Inhibitor("encrypted") in items(odt(manifest=manifest))


def test_a_part_that_unpacks_to_gigabytes_and_entities_are_refused():
    started = time.process_time()
    bomb = docx("<dc:title>" + "x" * (64 << 20) + "</dc:title>")
    assert any(isinstance(one, Problem) for one in items(bomb))
    entities = docx(**{"docProps/app.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'})
    assert any("document type" in one.reason for one in items(entities) if isinstance(one, Problem))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("step", range(7))
def test_cut_anywhere_a_document_gives_items_and_no_exception(step):
    for length in range(step, len(office.SAMPLE), 7):
        items(office.SAMPLE[:length])
    for length in range(step * 50, len(ole.SAMPLE), 350):
        items(ole.SAMPLE[:length], ole)


@given(st.binary(max_size=12), st.integers(0, 3000))
def test_a_changed_document_gives_items_and_no_exception(patch, at):
    for extractor in (office, ole):
        whole = extractor.SAMPLE[:at] + patch + extractor.SAMPLE[at + len(patch) :]
        for item in items(whole, extractor):
            json.dumps(item.to_json())


# --- older documents ---


def test_the_properties_of_an_older_document_are_read():
    whole = compound(
        {
            "\x05SummaryInformation": properties({1: 1252, 4: "A", 8: "B", 9: "7", 12: NOON}),
            "\x05DocumentSummaryInformation": properties({1: 1252, 15: "House"}),
            "Macros/VBA/dir": b"x",
        }
    )
    found = facts(whole, ole)
    assert (found["FlashPix:Author"].value, found["FlashPix:LastModifiedBy"].value) == ("A", "B")
    assert (found["FlashPix:CreateDate"].value, found["FlashPix:CreateDate"].tz) == (
        "2020-01-05T12:00:00Z", "UTC",
    )  # fmt: skip
    assert found["FlashPix:Company"].value == "House"
    assert found["FlashPix:Macros"].value == "Macros"


@pytest.mark.parametrize(
    "streams",
    [{"EncryptedPackage": b"x", "EncryptionInfo": b"x"},
     {"WordDocument": b"\xec\xa5" + b"\0" * 8 + b"\0\1" + b"\0" * 20},
     {"Workbook": b"\x09\x08\x10\0" + b"\0" * 16 + b"\x2f\0\6\0"}],
)  # fmt: skip
def test_a_document_that_asks_for_a_password_is_an_inhibitor(streams):
    assert Inhibitor("encrypted") in items(compound(streams), ole)


def test_real_documents_agree_with_exiftool():
    compared = 0
    for oracle in sorted(shared("samples").glob("*/.oracle/exiftool-12.57.json")):
        for name, tags in json.loads(oracle.read_text()).items():
            kind = str(tags.get("File:MIMEType"))
            extractor = ole if kind == "application/msword" else office
            if extractor is office and "office" not in kind and "opendocument" not in kind:
                continue
            ours = facts((oracle.parents[1] / name).read_bytes(), extractor)
            for tag, one in ours.items():
                if tag in tags and one.kind is None and not isinstance(tags[tag], list):
                    mine, theirs = one.value.lower(), str(tags[tag]).strip().lower()
                    if re.fullmatch(r"[0-9.]+", theirs):
                        mine, theirs = str(float(mine)), str(float(theirs))
                    assert mine == theirs, (name, tag)
                    compared += 1
    assert compared >= 60

"""AFF4: what the turtle says, hashes named and never called checked."""

import io

from ingest.extraction import Fact, Format, Found, Problem, Seal
from ingest.extractors import aff4
from tests.make_archives import zipped

TURTLE = """@prefix aff4: <http://aff4.org/Schema#> .
<aff4://c21070c3> a aff4:DiskImage, aff4:Image ; aff4:size 268435456 ; aff4:sectorCount 524288 ;
  aff4:caseName "KRN-7" ; aff4:examiner "A. Field" ;
  aff4:startTime "2024-05-01T07:30:00+03:00"^^xsd:dateTime ;
  aff4:hash "d41d8cd98f00b204e9800998ecf8427e"^^aff4:MD5 .
"""
IMAGE = zipped([("container.description", b"aff4://c21"), ("information.turtle", TURTLE.encode())],
               comment=b"aff4://c21070c3")  # fmt: skip


def read(content):
    what = Format("application/zip", "", "", False, "single", ())
    return list(aff4.extract(io.BytesIO(content), Found(what)))


def test_case_examiner_size_time_and_hash_are_found():
    items = read(IMAGE)
    said = {item.name: item.value for item in items if isinstance(item, Fact)}
    assert said["AFF4:Volume"] == "aff4://c21070c3"
    assert (said["AFF4:Size"], said["AFF4:CaseName"]) == ("268435456", "KRN-7")
    assert said["AFF4:Examiner"] == "A. Field"
    assert said["AFF4:StartTime"] == "2024-05-01T07:30:00+03:00"
    assert said["AFF4:StoredHash"] == "md5:d41d8cd98f00b204e9800998ecf8427e"
    assert [item.verdict for item in items if isinstance(item, Seal)] == ["not-checked"]


def test_without_its_turtle_it_says_so():
    items = read(zipped([("container.description", b"aff4://c21")]))
    assert [item.reason for item in items if isinstance(item, Problem)] == ["no information.turtle"]

"""What XMP says: ExifTool's names, times with their zone, edits, places, artwork; and bombs."""

import io
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.extraction import Fact, Problem
from ingest.extractors import xmp
from ingest.readers.xmp import MOST_DEPTH, MOST_ELEMENTS, parse
from ingest.readers.xmp_facts import position
from tests.ingest.containers import RDF, packet
from tests.shared import shared


def items(data):
    return list(xmp.extract(io.BytesIO(data), None))


def facts(data):
    found = {}
    for item in items(data):
        if isinstance(item, Fact):
            found.setdefault(item.name, []).append(item)
    return found


def values(data):
    return {name: [item.value for item in found] for name, found in facts(data).items()}


def test_a_time_keeps_the_zone_it_states():
    found = facts(packet(attributes='xmp:CreateDate="2020-01-05T15:04:00+02:00"'))
    (one,) = found["XMP-xmp:CreateDate"]
    assert (one.value, one.tz, one.kind) == ("2020-01-05T15:04:00+02:00", "+02:00", "time")


def test_a_time_without_a_zone_is_not_given_one():
    (one,) = facts(packet("<xmp:ModifyDate>2020-01-05T15:04:05</xmp:ModifyDate>"))[
        "XMP-xmp:ModifyDate"
    ]
    assert (one.value, one.tz) == ("2020-01-05T15:04:05", "unknown")


def test_every_edit_of_the_history_is_a_claim_of_its_own():
    step = (
        '<rdf:li rdf:parseType="Resource"><stEvt:action>{0}</stEvt:action>'
        "<stEvt:softwareAgent>Editor {1}</stEvt:softwareAgent>"
        "<stEvt:when>2020-01-0{1}T10:00:00Z</stEvt:when></rdf:li>"
    )
    history = step.format("created", 1) + step.format("saved", 2)
    found = facts(packet(f"<xmpMM:History><rdf:Seq>{history}</rdf:Seq></xmpMM:History>"))
    assert [one.value for one in found["XMP-xmpMM:HistoryAction"]] == ["created", "saved"]
    assert found["XMP-xmpMM:HistoryWhen"][1].tz == "UTC"
    assert "xmpMM:History[2]/stEvt:when" in found["XMP-xmpMM:HistoryWhen"][1].source


def test_a_structure_written_as_attributes_is_the_same_as_one_of_elements():
    short = '<xmpMM:History><rdf:Seq><rdf:li stEvt:action="saved"/></rdf:Seq></xmpMM:History>'
    assert values(packet(short)) == {"XMP-xmpMM:HistoryAction": ["saved"]}


def test_artwork_in_the_picture_has_title_creator_and_inventory_number():
    artwork = (
        '<Iptc4xmpExt:ArtworkOrObject><rdf:Bag><rdf:li rdf:parseType="Resource">'
        '<Iptc4xmpExt:AOTitle><rdf:Alt><rdf:li xml:lang="x-default">Icon</rdf:li>'
        "</rdf:Alt></Iptc4xmpExt:AOTitle><Iptc4xmpExt:AOSourceInvNo>1234</Iptc4xmpExt:AOSourceInvNo>"
        "<Iptc4xmpExt:AOCreator><rdf:Seq><rdf:li>Unknown</rdf:li></rdf:Seq></Iptc4xmpExt:AOCreator>"
        "</rdf:li></rdf:Bag></Iptc4xmpExt:ArtworkOrObject>"
    )
    assert values(packet(artwork)) == {
        "XMP-iptcExt:ArtworkTitle": ["Icon"],
        "XMP-iptcExt:ArtworkSourceInventoryNo": ["1234"],
        "XMP-iptcExt:ArtworkCreator": ["Unknown"],
    }


def test_a_description_in_several_languages_keeps_each():
    text = (
        '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Bridge</rdf:li>'
        '<rdf:li xml:lang="uk">Міст</rdf:li></rdf:Alt></dc:title>'
    )
    assert values(packet(text)) == {"XMP-dc:Title": ["Bridge"], "XMP-dc:Title-uk": ["Міст"]}


# --- place ---


def test_the_place_of_a_drone_is_a_place():
    found = facts(
        packet(attributes='drone-dji:GpsLatitude="+50.450100" drone-dji:GpsLongitude="+30.523400"')
    )
    (place,) = found["Composite:GPSPosition"]
    assert (place.value, place.kind, place.suspect) == ("50.4501 30.5234", "place", None)


def test_degrees_and_minutes_with_their_letter_are_a_place():
    found = facts(packet(attributes='exif:GPSLatitude="50,27.006S" exif:GPSLongitude="30,31,24W"'))
    (place,) = found["Composite:GPSPosition"]
    assert place.value == "-50.4501 -30.5233333333"


def test_zero_zero_is_suspect_and_a_place_without_a_letter_is_none():
    found = facts(packet(attributes='exif:GPSLatitude="0,0.0N" exif:GPSLongitude="0,0.0E"'))
    assert "0,0" in found["Composite:GPSPosition"][0].suspect
    bare = facts(packet(attributes='exif:GPSLatitude="50,27.006" exif:GPSLongitude="30,31.4E"'))
    assert "Composite:GPSPosition" not in bare


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_position_never_raises_and_never_leaves_the_earth(latitude, longitude):
    found = position(latitude, longitude)
    if found is not None and found.suspect is None:
        lat, lon = map(float, found.value.split())
        assert abs(lat) <= 90
        assert abs(lon) <= 180


# --- broken and hostile packets ---


def test_what_stood_before_the_break_is_kept_and_the_break_is_said():
    whole = packet("<dc:source>one</dc:source><dc:source>two</dc:source>")
    found = items(whole[: whole.index(b"two")])
    assert [one.value for one in found if isinstance(one, Fact)] == ["one"]
    assert any(isinstance(one, Problem) and one.incomplete for one in found)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">',
    ],
)
def test_entities_and_document_types_are_refused(declaration):
    body = packet("<dc:source>&b;&file;</dc:source>").decode().split("?>", 1)[1]
    found = parse(f"{declaration}{body}".encode())
    assert found.properties == []
    assert found.problem


def test_a_packet_deeper_or_longer_than_any_sound_one_is_left():
    deep = packet("<dc:a>" * 5000)
    assert f"{MOST_DEPTH} elements deep" in parse(deep).problem
    long = packet("<dc:source>x</dc:source>" * (MOST_ELEMENTS + 1))
    started = time.process_time()
    assert f"{MOST_ELEMENTS} elements" in parse(long).problem
    assert time.process_time() - started < 5


def test_a_long_value_is_cut_and_marked():
    (one,) = facts(packet(f"<dc:source>{'x' * 50_000}</dc:source>"))["XMP-dc:Source"]
    assert one.value.endswith("…[cut: 50000]")


def test_prefixes_that_lie_about_their_namespace_are_not_believed():
    lying = packet(
        "<x1:source>y</x1:source>", namespaces='xmlns:x1="http://purl.org/dc/elements/1.1/"'
    )
    assert values(lying) == {"XMP-dc:Source": ["y"]}
    odd = packet("<q:n-a-m-e>y</q:n-a-m-e>", namespaces='xmlns:q="urn:x"')
    assert values(odd) == {"XMP-q:N-a-m-e": ["y"]}


@given(st.binary(max_size=60), st.integers(0, 900))
def test_a_changed_packet_never_raises(patch, at):
    whole = packet(f'<dc:title rdf:value="x" xmlns:rdf2="{RDF}"><rdf:Bag/></dc:title>')
    for item in items(whole[:at] + patch + whole[at + len(patch) :]):
        json.dumps(item.to_json())


def test_real_packets_agree_with_exiftool():
    """Values of five fields that ExifTool prints as they stand."""
    compared = 0
    for oracle in sorted(shared("samples").glob("*/.oracle/exiftool-12.57.json")):
        for name, tags in json.loads(oracle.read_text()).items():
            wanted = ("XMP-xmp:CreatorTool", "XMP-xmpMM:InstanceID", "XMP-photoshop:City",
                      "XMP-dc:Format", "XMP-x:XMPToolkit")  # fmt: skip
            ours = values((oracle.parents[1] / name).read_bytes())
            for tag in wanted:
                if tag in ours and tag in tags:
                    assert str(tags[tag]).strip() in ours[tag], (name, tag)
                    compared += 1
    assert compared >= 60

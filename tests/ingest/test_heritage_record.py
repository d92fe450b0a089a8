"""Records of cultural objects: Object ID and LIDO."""

import io
import json

import pytest

from ingest.extraction import Fact, Format, Found, Problem
from ingest.extractors import heritage_record
from ingest.readers.peek import Peek

LIDO = """<?xml version="1.0" encoding="UTF-8"?>
<lido:lidoWrap xmlns:lido="http://www.lido-schema.org"><lido:lido>
<lido:lidoRecID lido:type="local">KRN-17</lido:lidoRecID>
<lido:descriptiveMetadata xml:lang="uk"><lido:objectClassificationWrap><lido:objectWorkTypeWrap>
<lido:objectWorkType><lido:term>дзвін</lido:term></lido:objectWorkType></lido:objectWorkTypeWrap>
</lido:objectClassificationWrap><lido:objectIdentificationWrap><lido:titleWrap><lido:titleSet>
<lido:appellationValue>Bell of Krynytsia</lido:appellationValue></lido:titleSet></lido:titleWrap>
<lido:repositoryWrap><lido:repositorySet><lido:repositoryName><lido:legalBodyName>
<lido:appellationValue>Museum K</lido:appellationValue></lido:legalBodyName></lido:repositoryName>
<lido:workID>17/1897</lido:workID></lido:repositorySet></lido:repositoryWrap>
<lido:objectMeasurementsWrap><lido:objectMeasurementsSet><lido:displayObjectMeasurements>62 cm
</lido:displayObjectMeasurements></lido:objectMeasurementsSet></lido:objectMeasurementsWrap>
</lido:objectIdentificationWrap><lido:eventWrap><lido:eventSet><lido:event><lido:eventType>
<lido:term>Production</lido:term></lido:eventType><lido:eventDate><lido:displayDate>1897
</lido:displayDate><lido:date><lido:earliestDate>1897</lido:earliestDate></lido:date></lido:eventDate>
</lido:event></lido:eventSet></lido:eventWrap></lido:descriptiveMetadata>
<lido:administrativeMetadata xml:lang="en"><lido:resourceWrap><lido:resourceSet>
<lido:resourceRepresentation><lido:linkResource>https://example.org/bell.jpg</lido:linkResource>
</lido:resourceRepresentation></lido:resourceSet></lido:resourceWrap></lido:administrativeMetadata>
</lido:lido></lido:lidoWrap>""".encode()


def names(content):
    peek = Peek(io.BytesIO(content), "application/json")
    return tuple(name for name, test in heritage_record.CONTAINERS.items() if test(peek))


def read(content):
    what = Format("application/json", "", "", False, "single", (), None, names(content))
    return list(heritage_record.extract(io.BytesIO(content), Found(what)))


def facts(items):
    return {item.name: item.value for item in items if isinstance(item, Fact)}


def test_the_statements_of_object_id_are_found_under_whatever_names_forms_have():
    said = facts(read(heritage_record.SAMPLE))
    assert said["ObjectID:TypeOfObject"] == "bell"
    assert said["ObjectID:Materials"] == "bronze, cast"
    assert said["ObjectID:Identifier"] == "KRN-17"
    other = {"Object type": "icon", "Material": ["wood", "tempera"], "Title": "Mother of God",
             "Dimensions": {"height": "30 cm", "width": 22}, "Date": "17th c."}  # fmt: skip
    said = facts(read(json.dumps(other).encode()))
    assert said["ObjectID:Materials"] == "wood; tempera"
    assert said["ObjectID:Measurements"] == "height: 30 cm; width: 22"


def test_a_record_says_what_sizes_and_colours_can_be_read_off_with():
    with_target = json.loads(heritage_record.SAMPLE) | {
        "Scale bar": "10 cm", "colour-target": ["ColorChecker Passport", "frame 1"],
    }  # fmt: skip
    said = facts(read(json.dumps(with_target).encode()))
    assert said["ObjectID:Scale"] == "10 cm"
    assert said["ObjectID:ColourTarget"] == "ColorChecker Passport; frame 1"


def test_a_lido_record_says_what_it_is_who_holds_it_and_when_it_was_made():
    said = facts(read(LIDO))
    expected = {
        "LIDO:RecordIdentifier": "KRN-17", "LIDO:TypeOfObject": "дзвін",
        "LIDO:Title": "Bell of Krynytsia", "LIDO:Holder": "Museum K",
        "LIDO:InventoryNumber": "17/1897", "LIDO:Measurements": "62 cm", "LIDO:Event": "Production",
        "LIDO:EventDate": "1897", "LIDO:Image": "https://example.org/bell.jpg", "LIDO:Records": "1",
    }  # fmt: skip
    assert {name: said.get(name) for name in expected} == expected


def test_several_records_in_one_file_are_all_read():
    one = json.loads(heritage_record.SAMPLE)
    items = read(json.dumps([one, one]).encode())
    assert facts(items)["ObjectID:Records"] == "2"


def test_a_record_with_entities_or_cut_off_gives_what_there_was():
    items = read(LIDO.replace(b"?>\n", b'?><!DOCTYPE a [<!ENTITY b "c">]>\n', 1))
    assert any("document type" in item.reason for item in items if isinstance(item, Problem))
    assert facts(read(LIDO[:700]))["LIDO:RecordIdentifier"] == "KRN-17"


@pytest.mark.parametrize("content", [b"{}", b'{"title": "x", "date": "y"}', b"[1]", b"", b"<a/>"])
def test_other_json_and_xml_are_no_records(content):
    assert names(content) == ()

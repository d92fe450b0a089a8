"""Reports of telephones: UFDR, .ufd and .ufdx: their heads as facts, their hashes checked."""

import hashlib
import io
import json

import pytest

from ingest.extraction import Derivative, Fact, Format, Found, Problem, Seal
from ingest.extractors import ufd, ufdr
from ingest.normalise.written import AMBIGUOUS, written
from ingest.readers.members import Budget
from ingest.readers.peek import Peek
from ingest.readers.xmls import nodes
from tests import make_phones as make
from tests.make_archives import zipped


def read(extractor, content, *further):
    what = Format("application/zip", "", "", False, "single", ())
    parts = tuple(io.BytesIO(part) for part in further)
    return list(extractor.extract(io.BytesIO(content), Found(what, parts)))


def facts(items):
    return {item.name: item for item in items if isinstance(item, Fact)}


def seal(items):
    (found,) = [item for item in items if isinstance(item, Seal)]
    return found


def problems(items):
    return [item.reason for item in items if isinstance(item, Problem)]


def test_a_ufdr_says_device_case_examiner_tool_and_times():
    said = facts(read(ufdr, make.ufdr()))
    expected = {
        "UFED:IMEI": "imei:490154203237518", "UFED:Serial": "serial:R58N123ABC",
        "UFED:MSISDN": "tel:+380441234567", "UFED:Model": "SM-A525F",
        "UFED:Manufacturer": "Samsung",
        "UFED:CaseNumber": "KRN-7", "UFED:ExaminerName": "A. Field",
        "UFED:ToolVersion": "7.65.0.21", "UFED:UnitIdentifier": "UFED S/N 5933940",
        "UFED:ReportCreated": "2024-05-22T10:37:00+03:00",
        "UFED:ExtractionStart": "2024-05-14T16:49:42+03:00",
        "UFED:ChatRecords": "1", "UFED:CallRecords": "2", "UFED:Files": "2",
    }  # fmt: skip
    assert {name: said[name].value for name in expected} == expected
    assert "UFED:ICCID" not in said  # N/A is no value
    assert "type=AdvancedLogical" in said["UFED:Extraction"].value


def test_a_time_whose_day_and_month_cannot_be_told_apart_stays_as_it_is():
    end = facts(read(ufdr, make.ufdr()))["UFED:ExtractionEnd"]
    assert (end.value, end.suspect, end.kind) == ("05/06/2024 17:32:15", AMBIGUOUS, None)


def test_the_list_of_files_is_a_derivative_with_paths_places_and_hashes():
    (made,) = [item for item in read(ufdr, make.ufdr()) if isinstance(item, Derivative)]
    lines = [json.loads(line) for line in made.data.splitlines()]
    assert [line["path"] for line in lines] == ["/sdcard/DCIM/IMG_1.jpg", "/sdcard/нотатка.txt"]
    assert lines[0]["member"] == "files\\Image\\IMG_1.jpg"
    assert lines[0]["hashes"]["md5"] == hashlib.md5(make.PHOTO).hexdigest()


def test_declared_hashes_that_hold_are_valid_and_one_that_does_not_is_broken():
    assert seal(read(ufdr, make.ufdr())).verdict == "valid"
    broken = seal(read(ufdr, make.ufdr(changed=True)))
    assert broken.verdict == "broken"
    assert "files\\Image\\IMG_1.jpg" in broken.detail


def test_a_file_that_is_not_in_the_archive_is_counted_and_nothing_present_means_not_checked():
    assert "1 not in the archive" in seal(read(ufdr, make.ufdr(missing=True))).detail
    alone = read(ufdr, make.report([("/a", "files\\a", make.hashes(b"a"))]))
    assert seal(alone).verdict == "not-checked"
    assert facts(alone)["UFED:CaseNumber"].value == "KRN-7"


def test_entities_are_refused_before_they_are_declared():
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    items = read(ufdr, make.ufdr(project=bomb))
    assert any("document type" in reason for reason in problems(items))


def test_a_report_nested_without_end_is_cut_and_its_head_kept():
    deep = "<modelType type='X'>" + "<model type='X'>" * 5000
    items = read(ufdr, make.ufdr(models=deep))
    assert any("nested deeper" in reason for reason in problems(items))
    assert facts(items)["UFED:IMEI"].value == "imei:490154203237518"


def test_a_report_cut_off_keeps_what_was_read():
    items = read(ufdr, make.report()[:1200])
    assert facts(items)["UFED:CaseNumber"].value == "KRN-7"
    assert any("the XML is damaged" in reason for reason in problems(items))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (make.ufdr(), "ufdr"),
        (make.report(), "ufed-report"),
        (zipped([("report.xml", b"<junit/>")]), None),
        (zipped([("a.txt", b"pa.cellebrite.com/report")]), None),
    ],
)
def test_a_ufdr_is_told_by_what_its_report_begins_with(content, name):
    peek = Peek(io.BytesIO(content), "application/zip")
    assert [known for known, test in ufdr.CONTAINERS.items() if test(peek)] == [name][: bool(name)]


def test_a_ufd_says_device_type_time_and_declared_hashes():
    said = facts(read(ufd, ufd.SAMPLE))
    assert said["UFD:IMEI1"].value == "imei:490154203237518"
    assert said["UFD:Date"].value == "2024-05-01T07:30:00+03:00"
    assert said["UFD:ExtractionType"].value == "FileSystem"
    assert said["UFD:DeclaredSHA256"].value.startswith("sha256:e3b0c442")


def test_the_hashes_of_a_ufd_are_checked_against_the_archive_beside_it():
    assert seal(read(ufd, ufd.SAMPLE)).verdict == "not-checked"
    assert seal(read(ufd, ufd.SAMPLE, b"")).verdict == "valid"
    assert seal(read(ufd, ufd.SAMPLE, b"another")).verdict == "broken"


def test_a_ufdx_names_case_examiner_and_extractions():
    text = (
        '<EvidenceCollection EvidenceID="E-12"><DeviceInfo Vendor="Google" Model="Pixel 6"/>'
        '<CrimeCase><Fields><Fields Caption="Case Identifier" Value="KRN-7"/>'
        '<Fields Caption="Examiner Name" Value="A. Field"/></Fields></CrimeCase><Extractions>'
        '<Extraction TransferType="FileSystemDump" Path="FileSystem 01/x.ufd"/></Extractions>'
        "</EvidenceCollection>"
    )
    said = facts(read(ufd, text.encode("utf-8-sig")))
    assert said["UFDX:CaseIdentifier"].value == "KRN-7"
    assert said["UFDX:ExaminerName"].kind == "person"
    assert "FileSystemDump" in said["UFDX:Extraction"].value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("14/09/2016 16:49:42(UTC-3)", "2016-09-14T16:49:42-03:00"),
        ("9/14/2016 4:49:42 PM", "2016-09-14T16:49:42"),
        ("14.09.16, 16:49", "2016-09-14T16:49:00"),
        ("2016-09-14T16:49:42.000+00:00", "2016-09-14T16:49:42.000+00:00"),
        ("2016/09/14 16:49:42(UTC+0)", "2016-09-14T16:49:42+00:00"),
        ("05/05/2016 01:02:03", "2016-05-05T01:02:03"),
    ],
)
def test_written_times_are_read_where_they_mean_one_thing(text, value):
    assert written(text)[0].value == value


def test_written_times_that_mean_two_things_or_none_are_left():
    assert written("05/06/2016 01:02:03") == (None, AMBIGUOUS)
    assert written("yesterday") == (None, None)
    assert written("40/40/2016 01:02:03")[0] is None


def test_what_lies_deep_is_passed_over_and_what_follows_is_read_again():
    text = b"<a><b>1</b><deep x='1'><m>2<n><o>3</o></n>4</m></deep><b>5</b></a>"
    whole = [node.name for node in nodes([text], Budget()) if node.text is not None]
    assert whole == ["b", "o", "n", "m", "deep", "b", "a"]
    ends = [(n.name, n.text) for n in nodes([text], Budget(), {"deep": 1}) if n.text is not None]
    assert ends == [("b", "1"), ("m", "24"), ("deep", ""), ("b", "5"), ("a", "")]

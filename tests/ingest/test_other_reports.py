"""Reports of XRY and AXIOM: of our own making, after what public readers of them say."""

import io

import pytest

from ingest.extraction import Fact, Format, Found, Problem
from ingest.extractors import axiom_report, xry_report
from ingest.normalise.written import AMBIGUOUS
from ingest.readers.peek import Peek

CALLS = """XRY Export
XRY
Calls

\r
Calls #\t1
Call Type:\tMissed
Time:\t1/22/2019 1:23:45 PM (Device)
From
Tel:\t+380441234567

Calls #\t2
Call Type:\tDialed
Time:\t1/3/2019 9:00:00 AM (Device)
"""
DEVICE = """XRY Export
XRY
Device/General Information


Device #\t1
Data:\tNokia XYZ
Attribute:\tDevice Name

Device #\t2
Attribute:\tMobile ID (IMEI)
Data:\t490154203237518

Device #\t3
Data:\t/some/path
"""
SENT = "Message Sent Date/Time - UTC+00:00 (dd/MM/yyyy)"
XML = f"""<?xml version="1.0" encoding="utf-8"?><Report><Artifacts>
<Artifact name="Android Device Information"><Hits><Hit>
<Fragment name="IMEI">490154203237518</Fragment><Fragment name="Device Model">SM-A525F</Fragment>
</Hit></Hits></Artifact>
<Artifact name="Android WhatsApp Messages"><Hits>
<Hit><Fragment name="Message">the secret words</Fragment>
<Fragment name="{SENT}">03/04/2021 10:00:00</Fragment>
</Hit><Hit><Fragment name="{SENT}">05/03/2021 23:00:00</Fragment>
</Hit></Hits></Artifact></Artifacts></Report>"""
TABLE = """\ufeffSender,Created Date/Time - UTC+02:00 (M/d/yyyy),Body
A,3/4/2021 10:00:00 AM,"the secret, words"
B,5/3/2021 11:00:00 PM,x
C,,y
"""


def kinds(extractor, content):
    peek = Peek(io.BytesIO(content), "text/plain")
    return tuple(name for name, test in extractor.CONTAINERS.items() if test(peek))


def read(extractor, content):
    names = kinds(extractor, content)
    assert names
    what = Format("text/plain", "", "", False, "single", (), containers=names)
    return list(extractor.extract(io.BytesIO(content), Found(what)))


def facts(items):
    return {item.name: item for item in items if isinstance(item, Fact)}


def test_a_report_of_calls_tells_how_many_and_from_when_to_when_and_no_content():
    items = read(xry_report, CALLS.encode("utf-16"))
    said = facts(items)
    assert said["XRY:ReportType"].value == "Calls"
    assert said["XRY:Entries"].value == "2"
    first, last = said["XRY:FirstTime"], said["XRY:LastTime"]
    assert (first.value, first.tz) == ("2019-01-03T09:00:00", "unknown")
    assert (last.value, last.raw) == ("2019-01-22T13:23:45", "1/22/2019 1:23:45 PM (Device)")
    assert not any("380441234567" in str(item) for item in items)


def test_times_whose_order_cannot_be_told_give_no_span():
    text = CALLS.replace("1/22/2019", "1/2/2019")
    items = read(xry_report, text.encode("utf-16"))
    assert "XRY:FirstTime" not in facts(items)
    assert any(AMBIGUOUS in item.reason for item in items if isinstance(item, Problem))


def test_a_report_of_the_device_gives_its_attributes_in_either_order():
    said = facts(read(xry_report, DEVICE.encode("utf-16")))
    assert said["XRY:DeviceName"].value == "Nokia XYZ"
    assert (said["XRY:MobileIDIMEI"].value, said["XRY:MobileIDIMEI"].kind) == (
        "imei:490154203237518", "device",
    )  # fmt: skip
    assert said["XRY:Entries"].value == "3"


def test_an_export_in_xml_tells_the_device_the_traces_and_their_times():
    items = read(axiom_report, XML.encode())
    said = facts(items)
    assert said["AXIOM:IMEI"].value == "imei:490154203237518"
    assert said["AXIOM:DeviceModel"].value == "SM-A525F"
    hits = [item.value for item in items if getattr(item, "name", "") == "AXIOM:Hits"]
    assert hits == ["Android Device Information: 1", "Android WhatsApp Messages: 2"]
    assert said["AXIOM:FirstTime"].value == "2021-03-05T23:00:00+00:00"
    assert said["AXIOM:LastTime"].value == "2021-04-03T10:00:00+00:00"
    assert not any("secret" in str(item) for item in items)


def test_a_table_says_zone_and_order_of_its_times_itself():
    items = read(axiom_report, TABLE.encode())
    said = facts(items)
    assert said["AXIOM:Rows"].value == "3"
    assert said["AXIOM:FirstTime"].value == "2021-03-04T10:00:00+02:00"
    assert said["AXIOM:LastTime"].value == "2021-05-03T23:00:00+02:00"
    assert not any("secret" in str(item) for item in items)


@pytest.mark.parametrize(
    "content", [CALLS.encode(), b"\xff\xfe", b"", "a,b\r\n1,2".encode("utf-16")]
)
def test_what_is_no_such_report_is_not_taken_for_one(content):
    assert kinds(xry_report, content) == kinds(axiom_report, content) == ()


def test_broken_reports_say_so_and_keep_what_was_read():
    cut = "XRY Export\r\nXRY\r\n".encode("utf-16")
    assert [item.reason for item in read(xry_report, cut)] == ["the head of the report is cut off"]
    broken = read(axiom_report, XML[: XML.index("</Hits></Artifact>\n<Artifact")].encode())
    assert facts(broken)["AXIOM:IMEI"]
    assert any("damaged" in item.reason for item in broken if isinstance(item, Problem))
    entity = XML.replace("<Report>", '<!DOCTYPE x [<!ENTITY a "b">]><Report>')
    assert any(
        "document type" in i.reason
        for i in read(axiom_report, entity.encode())
        if isinstance(i, Problem)
    )

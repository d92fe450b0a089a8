"""What mails, mailboxes and Outlook messages say: people, times with zones, attachments."""

import base64
import hashlib
import io
import json
import time
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ingest.child import recognised
from ingest.extraction import Fact, Member, Problem, Seal
from ingest.extractors import HERE, mail, mbox, outlook
from ingest.identify import identify
from tests.ingest.ole_files import message

TOP = (
    b"Received: from a.example (a [192.0.2.1]) by b.example;\r\n"
    b" Sun, 5 Jan 2020 13:05:00 +0000 (UTC)\r\n"
    b"From: =?utf-8?b?0J7Qu9C10L3QsA==?= <Olena@Example.ORG>\r\n"
    b"To: one@example.org,\r\n two@example.org\r\nSubject: =?utf-8?q?Br=C3=BCcke?=\r\n"
    b"Date: Sun, 5 Jan 2020 15:04:00 +0200\r\nMessage-ID: <1@example.org>\r\n"
)


def items(data, extractor=mail):
    return list(extractor.extract(io.BytesIO(data), None))


def facts(data, extractor=mail):
    found = {}
    for one in items(data, extractor):
        if isinstance(one, Fact):
            found.setdefault(one.name, []).append(one)
    return found


def seals(data):
    return [(one.kind, one.verdict) for one in items(data) if isinstance(one, Seal)]


def test_people_are_addresses_and_names_stay_beside_them():
    found = facts(TOP + b"\r\ntext")
    (one,) = found["Mail:From"]
    assert (one.value, one.kind, one.raw) == (
        "Olena@example.org",
        "mail",
        "Олена <Olena@Example.ORG>",
    )
    assert [each.value for each in found["Mail:To"]] == ["one@example.org", "two@example.org"]
    assert found["Mail:Subject"][0].value == "Brücke"


def test_the_time_of_a_mail_keeps_its_zone_and_minus_zero_is_no_zone():
    (date,) = facts(TOP + b"\r\n")["Mail:Date"]
    assert (date.value, date.tz) == ("2020-01-05T15:04:00+02:00", "+02:00")
    (date,) = facts(TOP.replace(b"+0200", b"-0000") + b"\r\n")["Mail:Date"]
    assert date.tz == "unknown"
    (date,) = facts(TOP.replace(b"Sun, 5 Jan 2020", b"someday") + b"\r\n")["Mail:Date"]
    assert date.suspect == "not a time"


def test_every_hop_of_the_way_has_its_own_time():
    found = facts(TOP + b"\r\n")
    assert "192.0.2.1" in found["Mail:Received"][0].value
    assert found["Mail:ReceivedDate"][0].value == "2020-01-05T13:05:00+00:00"


def test_an_attachment_has_its_digest_and_a_mail_in_a_mail_is_one():
    inner = b"From: x@example.org\r\nSubject: inner\r\n\r\nbody"
    whole = (
        TOP + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Disposition: attachment; filename*=utf-8''%D1%84.txt\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"data") + b"\r\n--b\r\n"
        b"Content-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--b--\r\n"
    )
    members = {one.path: one for one in items(whole) if isinstance(one, Member)}
    assert members["ф.txt"].sha256 == f"sha256:{hashlib.sha256(b'data').hexdigest()}"
    assert "inner.eml" in members


def dkim(body, form=b"relaxed/relaxed", digest=None):
    digest = digest or hashlib.sha256(b"a b\r\nc\r\n").digest()
    return (
        b"DKIM-Signature: v=1; a=rsa-sha256; c=" + form + b"; d=example.org; s=one;\r\n bh="
        + base64.b64encode(digest) + b"; b=xxxx\r\n" + TOP + b"\r\n" + body
    )  # fmt: skip


def test_a_body_that_is_not_the_signed_one_is_broken_and_one_that_is_stays_unchecked():
    assert seals(dkim(b"a  b \r\nc\r\n\r\n\r\n")) == [("dkim", "not-checked")]
    assert seals(dkim(b"a  b \nc\n\n")) == [("dkim", "not-checked")]
    assert seals(dkim(b"a b\r\nd\r\n")) == [("dkim", "broken")]
    assert seals(dkim(b"a b\r\nc\r\n", form=b"simple/simple")) == [("dkim", "not-checked")]
    assert seals(dkim(b"a  b\r\nc\r\n", form=b"simple/simple")) == [("dkim", "broken")]
    empty = hashlib.sha256(b"").digest()  # RFC 6376, 3.4.4: a relaxed empty body is empty
    assert seals(dkim(b"", digest=empty)) == [("dkim", "not-checked")]


def test_a_mail_is_told_from_other_texts():
    for data, wanted in (
        (TOP + b"\r\ntext", True),
        (b"Title: notes\r\nFrom: here to there\r\nbody\r\n", False),
        (b"some text\n" + TOP, False),
    ):
        assert ("mail" in names(data)) is wanted


def names(data):
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return recognised(file, identify(file.fileno()), [HERE]).names


def test_ten_thousand_headers_addresses_and_parts_are_bounded():
    started = time.process_time()
    many = TOP + b"To: " + b", ".join(b"a%d@example.org" % n for n in range(5000)) + b"\r\n\r\n"
    assert any("addresses" in one.reason for one in items(many) if isinstance(one, Problem))
    headers = b"".join(b"X-Mailer: %d\r\n" % n for n in range(10_000)) + TOP + b"\r\n"
    assert any("headers" in one.reason for one in items(headers) if isinstance(one, Problem))
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(300)
    )
    items(TOP + b"MIME-Version: 1.0\r\n" + deep)
    assert time.process_time() - started < 10


@given(st.binary(max_size=60), st.integers(0, 700))
def test_a_changed_mail_gives_items_and_no_exception(patch, at):
    for extractor in (mail, mbox):
        whole = extractor.SAMPLE[:at] + patch + extractor.SAMPLE[at + len(patch) :]
        for item in items(whole, extractor):
            json.dumps(item.to_json())


@given(st.binary(max_size=200))
def test_any_bytes_as_headers_give_items_and_no_exception(data):
    items(b"From: " + data + b"\r\nDate: " + data + b"\r\nReceived: " + data + b"\r\n\r\n")


# --- mailboxes ---


def test_a_mailbox_is_counted_dated_and_listed():
    found = facts(mbox.SAMPLE, mbox)
    assert found["Mail:MessageCount"][0].value == "2"
    assert found["Mail:FirstDate"][0].value == "2020-01-05T15:04:00+02:00"
    assert found["Mail:LastDate"][0].value == "2020-01-05T16:04:00+02:00"
    assert {one.value for one in found["Mail:Address"]} == {
        "someone@example.org",
        "other@example.org",
    }
    members = [one for one in items(mbox.SAMPLE, mbox) if isinstance(one, Member)]
    assert [one.path for one in members] == ["message=1 Bridge", "message=2 Bridge"]
    first = mbox.SAMPLE.split(b"\nFrom ")[0].split(b"\n", 1)[1] + b"\n"
    assert members[0].sha256 == f"sha256:{hashlib.sha256(first).hexdigest()}"


def test_a_subject_whose_coding_is_broken_costs_no_other_mail():
    broken = b"From x\nSubject: =?utf-8?b?0LzRl?=\n\ny\n\n"
    members = [one for one in items(broken + mbox.SAMPLE, mbox) if isinstance(one, Member)]
    assert [one.path for one in members] == [
        "message=1 =?utf-8?b?0LzRl?=", "message=2 Bridge", "message=3 Bridge",
    ]  # fmt: skip


def test_first_and_last_are_moments_and_not_texts():
    early = b"From x\nFrom: a@example.org\nDate: Sun, 5 Jan 2020 15:04:00 +0500\n\n"
    late = b"From x\nFrom: a@example.org\nDate: Sun, 5 Jan 2020 14:04:00 +0000\n\n"
    found = facts(late + early, mbox)
    assert found["Mail:FirstDate"][0].value.endswith("+05:00")


def test_a_line_of_from_in_a_body_parts_nothing():
    whole = mbox.SAMPLE.replace(b"text\n\n", b"text\nFrom here on\n\n", 1)
    assert facts(whole, mbox)["Mail:MessageCount"][0].value == "2"


# --- Outlook ---


def test_an_outlook_message_says_who_when_and_what_is_attached():
    whole = message(
        {0x37: "Bridge", 0x0C1F: "someone@example.org", 0x007D: TOP.decode()},
        [(0x39, datetime(2020, 1, 5, 13, 4, tzinfo=UTC))],
        [("a.txt", b"x" * 4096)],
        [("Other", "other@example.org")],
    )
    found = facts(whole, outlook)
    assert found["Mail:From"][0].value == "Olena@example.org"
    assert found["Mail:Sender"][0].value == "someone@example.org"
    assert found["Mail:Recipient"][0].value == "other@example.org"
    assert found["Mail:ClientSubmitTime"][0].value == "2020-01-05T13:04:00Z"
    (member,) = [one for one in items(whole, outlook) if isinstance(one, Member)]
    assert member.sha256 == f"sha256:{hashlib.sha256(b'x' * 4096).hexdigest()}"
    assert "outlook-message" in names(whole)


def test_cut_anywhere_an_outlook_message_gives_items_and_no_exception():
    for length in range(0, len(outlook.SAMPLE), 97):
        items(outlook.SAMPLE[:length], outlook)

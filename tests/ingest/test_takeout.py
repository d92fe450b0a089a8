"""Whatever an extractor lists can be taken out as it was listed, or is refused with its reason."""

import gzip
import io
from hashlib import sha256

import pytest

from ingest.extraction import Format, Found, Member, shortened, visible
from ingest.extractors import (
    android_backup,
    archive,
    har,
    mail,
    mbox,
    office,
    outlook,
    pdf,
    saved_page,
    wacz,
    warc,
)
from ingest.readers.members import Budget
from ingest.readers.takeout import take_out
from ingest.takings import REASONS
from tests import make_archives as make
from tests import make_phones
from tests.ingest.documents import docx, stream
from tests.ingest.documents import pdf as a_pdf
from tests.ingest.ole_files import message
from tests.libarchive import needs_libarchive
from tests.shared import shared

PAIRS = [("a.txt", b"evidence" * 30), ("b/c.jpg", b"\xff\xd8" * 400), ("d.zip", make.zipped([]))]
TWO = make.zipped([("in.zip", make.zipped(PAIRS)), ("in.tar", make.tarred(PAIRS))])
EML = (
    b"From: a@example.org\r\nTo: b@example.org\r\nMessage-ID: <1@example.org>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Disposition: attachment; filename=a.bin\r\n\r\nx\r\n--b--\r\n"
)
PDF = a_pdf(
    b"/Names<</EmbeddedFiles<</Names[(a)5 0 R]>>>>",
    objects=[b"<</Type/Filespec/F(a.txt)/EF<</F 6 0 R>>>>", stream(b"attached")],
)
HAR = (
    b'{"log": {"creator": {"name": "x"}, "entries": [{"startedDateTime": "2024-05-01T10:30:00Z",'
    b'"request": {"url": "https://example.org/a", "postData": {"text": "q=1"}},'
    b'"response": {"content": {"text": "\\u043c\\u0456\\u0441\\u0442"}}},'
    b'{"request": {"url": "https://example.org/i.png"},'
    b'"response": {"content": {"text": "iVBORw0K", "encoding": "base64"}}}]}}'
)
MHTML = saved_page.SAMPLE.replace(
    b"------X--",
    b"------X\r\nContent-Location: https://example.org/b.png\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\niVBO\r\nRw0K\r\n"
    b"------X\r\nContent-Location: https://example.org/c\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\na=3D=\r\nb\r\n------X--",
)
LISTING = {
    "zip": (archive, make.zipped(PAIRS)),
    "zip in zip": (archive, TWO),
    "tar.gz": (archive, make.tarred(PAIRS, "w:gz")),
    "tar.zst": (archive, make.zstandard(make.tarred(PAIRS))),
    "gz": (archive, gzip.compress(b"evidence")),
    "rar": (archive, make.rar5(PAIRS)),
    "android backup": (android_backup, make_phones.android_backup()),
    "eml": (mail, EML),
    "mbox": (mbox, mbox.SAMPLE + b"From x\nSubject: =?utf-8?b?0LzRltGB0YI=?=\n\nFrom y\n\nz\n"),
    "msg": (outlook, message({0x37: "s"}, (), [("a.txt", b"x" * 5000), ("b", b"y" * 4096)])),
    "warc": (warc, warc.SAMPLE),
    "warc.gz": (warc, gzip.compress(warc.SAMPLE)),
    "wacz": (wacz, wacz.SAMPLE),
    "pdf": (pdf, PDF),
    "har": (har, HAR),
    "mhtml": (saved_page, MHTML),
    "docx": (office, docx(**{"word/media/image1.png": b"picture"})),
}
PACKED = {"7z": (archive, make.sevenz(PAIRS)), "rar": (archive, make.rar5(PAIRS, packed=True))}


def shown(path):
    return shortened(visible(path), 4096)


def listed(extractor, content):
    what = Format("application/octet-stream", "", "", False, "single", ())
    items = extractor.extract(io.BytesIO(content), Found(what))
    return [one for one in items if isinstance(one, Member)]


def taken(content, wanted):
    """Return what became of each wanted member, with the digest of what was written."""
    out = io.BytesIO()

    def write(data, place):
        out.seek(place)
        out.write(data)

    found = take_out(
        io.BytesIO(content), wanted, shown=shown, write=write, most=1 << 24, odd_names=False,
        budget=Budget(60, 60),
    )  # fmt: skip
    ends = []
    for one in found:
        if "reason" not in one:
            data = out.getvalue()[one["offset"] : one["offset"] + one["size"]]
            assert one["sha256"] == f"sha256:{sha256(data).hexdigest()}"
        ends.append(one)
    return ends


def compare(extractor, content):
    members = listed(extractor, content)
    assert members
    for member, end in zip(members, taken(content, [shown(m.path) for m in members]), strict=True):
        assert end.get("reason") is None, (member, end)
        assert end["sha256"] == member.sha256
        assert end["size"] == member.size


@pytest.mark.parametrize("kind", LISTING)
def test_each_listed_member_is_taken_out_with_the_digest_and_size_that_were_listed(kind):
    compare(*LISTING[kind])


@needs_libarchive
@pytest.mark.parametrize("kind", PACKED)
def test_so_is_what_libarchive_unpacks(kind):
    compare(*PACKED[kind])


@pytest.mark.parametrize(
    ("extractor", "name"),
    [
        (warc, "web-archives/py-wacz/example-iana.warc"),
        (warc, "web-archives/py-wacz/example-resource.warc.gz"),
    ],
)
def test_every_record_of_real_web_archives_is_taken_out(extractor, name):
    compare(extractor, shared("samples", *name.split("/")).read_bytes())


@pytest.mark.parametrize("make_one", [make.rar4, make.rar5])
def test_a_member_that_rar_stored_has_to_have_its_crc(make_one):
    sound = make_one(PAIRS)
    changed = sound.replace(b"evidence", b"evidenca", 1)
    [end] = taken(changed, ["a.txt"])
    assert (end["reason"], end["detail"]) == ("member-damaged", "its CRC does not hold")
    assert listed(archive, changed)[0].sha256 is None


def test_a_page_and_its_request_have_one_address_and_two_names():
    [_, response] = [member.path for member in listed(warc, warc.SAMPLE)]
    again = warc.SAMPLE + warc.SAMPLE[warc.SAMPLE.rindex(b"WARC/1.1") :]
    found = taken(again, [response, response.replace("record=2", "record=3")])
    assert [one["size"] for one in found] == [5, 5]


def test_a_har_gives_what_was_answered_and_what_was_sent():
    answers = {one.path: one for one in listed(har, HAR)}
    assert list(answers) == [
        "entry=1 request https://example.org/a",
        "entry=1 https://example.org/a",
        "entry=2 https://example.org/i.png",
    ]
    picture = answers["entry=2 https://example.org/i.png"]
    assert picture.sha256 == f"sha256:{sha256(bytes.fromhex('89504e470d0a')).hexdigest()}"
    assert answers["entry=1 https://example.org/a"].size == len("міст".encode())
    assert answers["entry=1 https://example.org/a"].modified_at == "2024-05-01T10:30:00Z"
    broken = HAR.replace(b"iVBORw0K", b"iVBORw0")
    assert listed(har, broken)[2].flags == ("damaged",)
    assert taken(broken, [listed(har, broken)[2].path])[0]["reason"] == "member-damaged"


def test_a_body_of_megabytes_is_read_and_so_is_what_follows_it():
    """A film in a HAR is one text of many megabytes, and once ended the reading."""
    film = b'{"request": {"url": "f"}, "response": {"content": {"text": "%s"}}}' % (
        b"x" * (12 << 20)
    )
    compare(har, HAR.replace(b'"entries": [', b'"entries": [' + film + b","))


def test_the_parts_of_a_saved_page_are_what_was_packed():
    sizes = {one.path: one.size for one in listed(saved_page, MHTML)}
    assert sizes == {
        "part=1 https://example.org/a": 4,
        "part=2 https://example.org/i.png": 1,
        "part=3 https://example.org/b.png": 6,
        "part=4 https://example.org/c": 3,
    }
    for wrong in (b"iVB!\r\nRw0K", b"iVBO\r\nRw0"):
        changed = MHTML.replace(b"iVBO\r\nRw0K", wrong)
        [end] = taken(changed, ["part=3 https://example.org/b.png"])
        assert end["reason"] == "member-damaged"


def test_a_mail_with_pictures_inside_gives_them_by_name_and_by_number():
    content = EML.replace(b"multipart/mixed", b"multipart/related")
    [named], [part] = listed(mail, content), listed(saved_page, content)
    assert [one["sha256"] for one in taken(content, [named.path, part.path])] == [named.sha256] * 2


def test_a_box_of_one_mail_is_a_box_whatever_it_is_called():
    """Called a mail by libmagic, what is attached was listed, and could not be taken out."""
    one = b"From someone@example.org Sun Jan  5 15:04:00 2020\n" + EML
    assert listed(mail, one) == []
    [within] = listed(mbox, one)
    assert taken(one, [within.path])[0]["sha256"] == within.sha256


def test_a_record_whose_declared_digest_does_not_hold_is_refused_with_that_reason():
    changed = warc.SAMPLE.replace(b"hello\r\n\r\n", b"jello\r\n\r\n")
    [_, response] = [member.path for member in listed(warc, changed)]
    [end] = taken(changed, [response])
    assert end["reason"] == "member-damaged"
    assert "payload does not hold" in end["detail"]
    [end] = taken(warc.SAMPLE[:-8], [response])
    assert (end["reason"], end["detail"]) == ("member-damaged", "the record is cut off")


def test_what_is_only_listed_is_refused_as_such():
    assert [one["reason"] for one in taken(b"LVF\x09\r\n\xff\0", ["a"])] == ["member-unreadable"]
    embedded = message({0x37: "s"}, (), [("a.txt", b"x" * 5000)])
    embedded = embedded.replace("37010102".encode("utf-16-le"), "3701000D".encode("utf-16-le"))
    [within] = listed(outlook, embedded)
    assert within.flags == ("embedded",)
    assert [one["reason"] for one in taken(embedded, [within.path])] == ["member-unreadable"]


@pytest.mark.parametrize("kind", [one for one in LISTING if one not in {"eml", "mbox"}])
def test_cut_anywhere_each_member_is_whole_or_refused_with_a_reason(kind):
    extractor, content = LISTING[kind]
    members = listed(extractor, content)
    true = {member.sha256 for member in members}
    for length in range(0, len(content), max(1, len(content) // 25)):
        for end in taken(content[:length], [shown(member.path) for member in members]):
            assert end.get("sha256") in true or end.get("reason") in REASONS, (kind, length)

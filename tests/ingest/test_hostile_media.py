"""Files made to hurt, through the whole sandbox: an outcome each, in bounded time and memory."""

import io
import json
import struct
import tempfile
import zlib
from datetime import UTC, datetime

import pytest

from ingest.extraction import OUTCOMES, Limits
from ingest.sandbox import Sandbox
from tests.ingest.containers import XMP, box, full, jpeg, packet, photoshop, png, webp
from tests.ingest.documents import archive, docx, pdf, stream
from tests.ingest.films import element, id3, movie, riff
from tests.ingest.pictures import ASCII, tiff


def nested(kind, depth):
    whole = b""
    for _ in range(depth):
        whole = box(kind, whole)
    return whole


def entities():
    """A packet whose entities would unpack to a billion laughs."""
    laughs = "".join(
        f'<!ENTITY l{n} "{"".join(f"&l{n - 1};" for _ in range(10))}">' for n in range(1, 10)
    )
    body = '<x:xmpmeta xmlns:x="adobe:ns:meta/">&l9;</x:xmpmeta>'
    return f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>{body}'


def looped_pdf():
    whole = pdf(trailer=b"/Prev 9")
    return whole.replace(b"/Prev 9", b"/Prev %d" % whole.index(b"xref"))


def maker_note():
    """The bomb of 04 section 1: a maker note that says it has a thousand million values."""
    whole = bytearray(tiff(ifd0=[(0x10F, ASCII, b"Canon\0")], exif=[(0x927C, ASCII, b"x" * 8)]))
    at = whole.index(struct.pack("<HH", 0x927C, ASCII))
    whole[at + 4 : at + 8] = struct.pack("<I", 1_006_641_184)
    return bytes(whole)


def pointers():
    """A directory of 4,000 entries that each lead to the GPS directory, which claims 65,535."""
    entry = struct.pack("<HHII", 0x8825, 4, 1, 8)
    return b"II*\0\x08\0\0\0" + b"\xff\xff" + entry * 4000


ZEROS = zlib.compress(b"\0" * (32 << 20), 9)
FILES = {
    "text-bomb.png": png((b"zTXt", b"Comment\0\0" + ZEROS), (b"iTXt", b"C\0\1\0\0\0" + ZEROS)),
    "profile-bomb.png": png((b"iCCP", b"icc\0\0" + ZEROS)),
    "entities.jpg": jpeg((0xE1, XMP + entities().encode())),
    "entities.xmp": entities().encode(),
    "deep.xmp": packet("<dc:a>" * 50_000),
    "wide.xmp": packet("<dc:a>b</dc:a>" * 200_000),
    "segments.jpg": jpeg(*[(0xE1, XMP + packet())] * 10_000),
    "resources.jpg": jpeg(photoshop(*[(0x0404, b"\x1c\x02\x19\0\1k" * 5)] * 1000)),
    "maker-note.tif": maker_note(),
    "pointers.tif": pointers(),
    "nested.mp4": movie(nested(b"moov", 1000)),
    "boxes.mp4": movie(*[box(b"free")] * 25_000),
    "samples.mp4": movie(box(b"trak", box(b"mdia", box(b"minf", box(b"stbl",
                         full(b"stts", struct.pack(">I", 0xFFFFFFFF), b"\0" * 1_000_000)))))),
    "nested.mkv": element("1a45dfa3", *[element("18538067", element("1549a966"))] * 5000),
    "lists.avi": riff(b"AVI ", *[b"LIST\x04\0\0\0hdrl"] * 25_000),
    "frames.mp3": id3(*[(b"TIT2", b"\3x")] * 5000),
    "loop.pdf": looped_pdf(),
    "bomb.pdf": pdf(b"/Metadata 5 0 R",
                    objects=[stream(ZEROS, b"/Type/Metadata/Filter/FlateDecode")]),
    "bomb.docx": docx("<dc:title>" + "x" * (32 << 20) + "</dc:title>"),
    "many.docx": archive({"[Content_Types].xml": "<a/>",
                          **{f"word/media/{n}.png": b"x" for n in range(5000)}}),
    "parts.eml": b"From: a@b.c\r\nTo: d@e.f\r\nDate: x\r\nMIME-Version: 1.0\r\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(2000)),
    "chunks.webp": webp(*[(b"JUNK", b"")] * 25_000),
    "empty.jpg": b"",
    "one-byte.jpg": b"\xff",
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox():
    # Half of the memory that production grants.
    with Sandbox(clock=lambda: datetime.now(UTC), limits=Limits(memory_bytes=768 << 20)) as sandbox:
        yield sandbox


def look(sandbox, content, name):
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return sandbox.extract(file, name_hint=name)


@pytest.mark.parametrize("name", FILES)
def test_a_bomb_ends_with_an_outcome_and_the_next_file_is_read(sandbox, name):
    record = look(sandbox, FILES[name], name)
    assert record.outcome in OUTCOMES
    assert record.outcome not in {"crash", "refused"}, (name, record.problems)
    assert len(json.dumps(record.to_json())) < 4 << 20
    assert look(sandbox, b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xd9", "a.jpg").format


def test_nothing_here_reads_more_than_the_file_holds():
    """A film that says its header is an exabyte long."""
    from ingest.extractors import video

    liar = movie()[:20] + b"\0\0\0\1moov" + struct.pack(">Q", 1 << 60) + b"\0" * 50
    assert list(video.extract(io.BytesIO(liar), None))

"""What is made of pictures, films and documents: new pixels alone, from inside the sandbox."""

import io
import os
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from ingest import program
from ingest.extraction import Format, Found, Ran
from ingest.extractors import ocr
from ingest.readers import pixels
from ingest.sandbox import Sandbox
from tests.shared import ROOT, shared

FONTS = ROOT / "repository" / "exports" / "assets" / "fonts"
CI = os.environ.get("CI") == "true"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(clock=lambda: datetime.now(UTC)) as sandbox:
        yield sandbox


def look(sandbox, content, **more):
    with tempfile.TemporaryFile() as file:
        file.write(content)
        return sandbox.extract(file, name_hint="", **more)


def installed(name):
    if program.find(name) is None:
        (pytest.fail if CI else pytest.skip)(f"{name} is not installed")


def written(picture, kind="JPEG", **more):
    out = io.BytesIO()
    picture.save(out, kind, **more)
    return out.getvalue()


def scene(size=(900, 600)):
    """A picture with something in it."""
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for n in range(9):
        draw.ellipse((n * 90, n * 40, n * 90 + 160, n * 40 + 220), fill=(n * 25, 90, 250 - n * 25))
    return picture


def made(record, kind):
    return [one for one in record.derivatives if one.kind == kind]


def hashes(record):
    return [fact.value for fact in record.facts if fact.name == "Derived:PDQ"]


def distance(one, other):
    return bin(int(one[4:], 16) ^ int(other[4:], 16)).count("1")


def test_a_picture_has_a_thumbnail_a_preview_and_a_hash(sandbox):
    record = look(sandbox, written(scene((4000, 3000))))
    assert record.outcome == "ok", record.problems
    for kind, most in (("thumbnail", 256), ("preview", 1600)):
        [one] = made(record, kind)
        with Image.open(io.BytesIO(one.data)) as picture:
            assert (max(picture.size), picture.format) == (most, "JPEG")
    assert len(hashes(record)) == 1


def test_nothing_but_pixels_comes_along(sandbox):
    exif = Image.Exif()
    exif[0x010F] = "Secret Maker"
    exif[0x8298] = "Olena"
    content = written(scene(), exif=exif, comment=b"a secret", icc_profile=b"secret profile" * 20)
    record = look(sandbox, content)
    assert b"Secret Maker" in content
    assert made(record, "preview")
    for one in (*made(record, "preview"), *made(record, "thumbnail")):
        assert not any(word in one.data for word in (b"Secret", b"secret", b"Olena", b"Exif"))


def test_a_picture_that_lies_on_its_side_is_shown_upright(sandbox):
    exif = Image.Exif()
    exif[0x0112] = 6
    [one] = made(look(sandbox, written(scene((900, 600)), exif=exif)), "preview")
    with Image.open(io.BytesIO(one.data)) as picture:
        assert picture.size == (600, 900)


def test_pictures_that_look_alike_have_hashes_that_are(sandbox):
    [original] = hashes(look(sandbox, written(scene())))
    [smaller] = hashes(look(sandbox, written(scene().resize((450, 300)), "PNG")))
    [worse] = hashes(look(sandbox, written(scene(), quality=20)))
    [other] = hashes(look(sandbox, written(scene().rotate(90, expand=True))))
    assert distance(original, smaller) <= 31
    assert distance(original, worse) <= 31
    assert distance(original, other) > 60


def test_the_hash_of_nothing_to_see_is_doubted(sandbox):
    record = look(sandbox, written(Image.new("RGB", (300, 300), "grey")))
    [one] = [fact for fact in record.facts if fact.name == "Derived:PDQ"]
    assert "few features" in one.suspect


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGBA"), ("PNG", "P"), ("PNG", "L"), ("PNG", "I;16"), ("TIFF", "CMYK"), ("GIF", "P"),
     ("WEBP", "RGBA"), ("BMP", "RGB"), ("PNG", "1"), ("AVIF", "RGB"), ("JPEG2000", "RGB")],
)  # fmt: skip
def test_every_kind_of_pixel_is_shown(sandbox, kind, mode):
    record = look(sandbox, written(scene((300, 200)).convert("L").convert(mode), kind))
    assert made(record, "preview"), record.problems


def test_a_telephones_heic_is_shown(sandbox):
    for path in sorted(shared("samples", "camera-vendors", "heic").glob("*.*")):
        record = look(sandbox, path.read_bytes())
        assert made(record, "preview"), (path, record.problems)


def test_a_picture_that_ends_early_is_shown_as_far_as_it_goes(sandbox):
    record = look(sandbox, written(scene())[:9000])
    assert record.outcome == "partial"
    assert made(record, "preview")
    assert any("as far as it can be decoded" in problem for problem in record.problems)


def test_a_picture_of_too_many_pixels_is_not_decoded(sandbox):
    """A PNG of 60,000 × 60,000 pixels in a few hundred bytes."""
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x01\0\0\0\0"
    record = look(sandbox, head + bytes(200))
    assert made(record, "preview") == []
    assert any("not decoded" in one or "not shown" in one for one in record.problems)


def test_the_pages_of_a_scan_are_shown(sandbox):
    pages = [scene((300, 200)), scene((200, 300)), scene((100, 100))]
    content = written(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    record = look(sandbox, content)
    assert [one.locator for one in made(record, "page")] == ["page=2", "page=3"]


def test_the_warm_process_that_forks_has_one_thread(sandbox):
    look(sandbox, written(scene((100, 100))))
    assert len(os.listdir(f"/proc/{sandbox._zygote.process.pid}/task")) == 1


def test_a_film_has_key_frames_with_their_times_and_hashes(sandbox):
    installed("ffmpeg")
    path = shared("samples", "video-audio", "mp4", "Issue 515 (java).mp4")
    record = look(sandbox, path.read_bytes())
    frames = made(record, "keyframe")
    assert frames
    assert [one.locator[:2] for one in frames] == ["t="] * len(frames)
    assert len(hashes(record)) == len(frames)
    [raw] = [one for one in record.raw if one.tool == "ffmpeg"]
    assert (raw.exit, raw.stdout_size > 0) == (0, True)
    assert raw.stdout_digest not in {one.sha256 for one in record.derivatives}


def test_a_document_has_pages_and_a_locked_one_is_encrypted(sandbox):
    installed("pdftoppm")
    folder = shared("samples", "documents", "pdfCabinetOfHorrors")
    record = look(sandbox, (folder / "text_only_pdfa1b.pdf").read_bytes())
    assert [one.locator for one in made(record, "page")] == ["page=1"]
    locked = look(sandbox, (folder / "encryption_openpassword.pdf").read_bytes())
    assert locked.inhibitors == ("encrypted",)
    assert made(locked, "page") == []


def test_text_in_a_picture_is_read_where_it_is_asked_for(sandbox):
    installed("tesseract")
    picture = Image.new("RGB", (900, 200), "white")
    font = ImageFont.load_default(size=64)
    ImageDraw.Draw(picture).text((40, 50), "BRIDGE 47 EAST", fill="black", font=font)
    content = written(picture, "PNG")
    assert "ocr: not done: it was not asked for" in look(sandbox, content).problems
    record = look(sandbox, content, asked={"ocr"})
    [text] = made(record, "ocr")
    assert b"BRIDGE 47 EAST" in text.data
    [languages] = [f.value for f in record.facts if f.name == "Derived:OCRLanguages"]
    assert {"eng", "ara", "ukr", "rus"} <= set(languages.split("+")) or not CI


WORDS = {
    "NotoSans-Regular.ttf": (
        "THE BRIDGE WAS CLOSED ON MONDAY",
        "Міст було закрито зранку",
        "Свидетель видел колонну",
    ),
    "NotoNaskhArabic-Regular.ttf": ("تم إغلاق الجسر يوم الاثنين",),
}


def scanned(lines):
    """Return a PDF of one page for each line, each a picture without a text layer."""
    pages = []
    for line, font in lines:
        page = Image.new("L", (1240, 877), "white")
        ImageDraw.Draw(page).text((90, 300), line, fill="black", font=font)
        pages.append(page)
    return written(pages[0], "PDF", save_all=True, append_images=pages[1:], resolution=105)


def test_scanned_pages_are_read_where_it_is_asked_for(sandbox):
    """Without a text layer, in English, Ukrainian, Russian and Arabic; each page has its text."""
    for name in ("tesseract", "pdftoppm", "pdftotext"):
        installed(name)
    lines = [
        (line, ImageFont.truetype(FONTS / name, 60))
        for name, some in WORDS.items()
        for line in some
    ]
    content = scanned(lines)
    unasked = look(sandbox, content)
    assert "ocr: not done: it was not asked for" in unasked.problems
    assert [f.value for f in unasked.facts if f.name == "Derived:PagesWithoutText"] == ["4"]
    record = look(sandbox, content, asked={"ocr"})
    texts = {one.locator: one.data.decode() for one in made(record, "ocr")}
    assert list(texts) == [f"page={n}" for n in range(1, 5)]
    for (line, _), text in zip(lines, texts.values(), strict=True):
        found = set(re.findall(r"\w+", text))
        wanted = set(re.findall(r"\w+", line))
        assert len(found & wanted) * 2 > len(wanted), (line, text)
    drawn = [one for one in record.raw if "-gray" in one.args]
    assert len(drawn) == 4
    assert "for tesseract, pdftotext, pdftoppm" in record.sandbox


def test_pages_with_text_of_their_own_are_not_read_again(sandbox):
    for name in ("tesseract", "pdftoppm", "pdftotext"):
        installed(name)
    folder = shared("samples", "documents", "pdfCabinetOfHorrors")
    record = look(sandbox, (folder / "text_only_pdfa1b.pdf").read_bytes(), asked={"ocr"})
    assert made(record, "ocr") == []
    assert "ocr: every page has text of its own" in record.problems
    assert not [f for f in record.facts if f.name == "Derived:PagesWithoutText"]
    locked = look(sandbox, (folder / "encryption_openpassword.pdf").read_bytes(), asked={"ocr"})
    assert locked.inhibitors == ("encrypted",)
    assert made(locked, "ocr") == []


def test_what_is_not_there_to_read_pages_with_is_said():
    """Where a further program is missing the record says so: nothing looks like a page read."""

    def run(*arguments, program=None, data=None):
        if program is not None:
            raise FileNotFoundError(f"{program} is not installed")
        return Ran(0, b"List of languages\neng\n", b"")

    file = io.BytesIO(b"%PDF-1.4")
    told = Found(Format("application/pdf", "", "pdf", False, "single", ()), (), run)
    with pytest.raises(FileNotFoundError, match="pdftotext is not installed"):
        list(ocr.extract(file, told))


def test_what_a_preview_may_cost_is_bounded(sandbox):
    assert pixels.MOST_PIXELS * 3 < 1 << 30
    for path in sorted(Path(shared("hostile", "photos")).glob("*.jp*g")):
        record = look(sandbox, path.read_bytes())
        assert record.outcome in {"ok", "partial"}, (path, record.problems)

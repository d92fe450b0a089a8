"""A thumbnail that no longer shows the picture is a reason to look; an honest one is not."""

import io

import pytest
from PIL import Image, ImageDraw

from ingest.extraction import Derivative, Fact, Problem
from ingest.readers import pixels, thumbnails
from tests.shared import shared


def drawing(size=(640, 480), *, moved=0):
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).rectangle((40 + moved, 40, 240 + moved, 300), fill="black")
    return picture


def coded(picture):
    out = io.BytesIO()
    picture.save(out, "JPEG")
    return out.getvalue()


def with_thumbnail(picture, small):
    """Return a picture with a thumbnail in its Exif, put together as cameras do."""
    data = coded(small)
    tiff = (
        b"II*\0\x08\0\0\0\0\0\x0e\0\0\0\x02\0\x01\x02\x04\0\x01\0\0\0\x2c\0\0\0"
        b"\x02\x02\x04\0\x01\0\0\0" + len(data).to_bytes(4, "little") + b"\0\0\0\0" + data
    )
    segment, whole = b"Exif\0\0" + tiff, coded(picture)
    return whole[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + whole[2:]


def looked(data):
    file = io.BytesIO(data)
    shown = [one for one in pixels.decoded(file) if not isinstance(one, Problem)]
    items = list(thumbnails.compared(file, shown[0])) if shown else []
    return next((one for one in items if isinstance(one, Fact)), None), items


def test_an_honest_thumbnail_raises_no_doubt():
    found, items = looked(with_thumbnail(drawing(), drawing().resize((160, 120))))
    assert found.suspect is None
    assert any(isinstance(one, Derivative) for one in items)


def test_a_thumbnail_with_bars_beside_it_and_a_turned_one_raise_none():
    barred = Image.new("RGB", (160, 160), "black")
    barred.paste(drawing().resize((160, 120)), (0, 20))
    assert looked(with_thumbnail(drawing(), barred))[0].suspect is None
    turned = drawing().resize((160, 120)).rotate(90, expand=True)
    found, _ = looked(with_thumbnail(drawing(), turned))
    assert found.suspect is None
    assert found.value.endswith("turned 270")


def test_a_picture_that_was_changed_under_its_thumbnail_is_doubted():
    found, _ = looked(with_thumbnail(drawing(moved=300), drawing().resize((160, 120))))
    assert "older" in found.suspect


def test_a_picture_without_one_says_nothing_and_a_broken_one_is_a_remark():
    assert looked(coded(drawing()))[1] == []
    broken = with_thumbnail(drawing(), drawing().resize((160, 120)))
    at = broken.index(b"\xff\xd8", 10)
    _, items = looked(broken[: at + 2] + b"\0" * 200 + broken[at + 202 :])
    assert [type(one) for one in items] == [Problem]
    assert not items[0].incomplete


@pytest.mark.parametrize(
    ("name", "doubted"),
    [("Sony Cybershot (3).jpg", True), ("Konica Q-M100 (2).jpg", False), ("Kodak DC240.jpg", False),
     ("Apple iPhone 4.jpg", None), ("Samsung GT-I9000 (Galaxy S).jpg", False)],
)  # fmt: skip
def test_real_photographs_edited_and_not(name, doubted):
    data = shared("samples", "camera-vendors", "jpg", name).read_bytes()
    found, _ = looked(data)
    assert (found and bool(found.suspect)) is doubted


def test_of_all_samples_only_the_edited_are_doubted():
    doubted = set()
    compared = 0
    for path in sorted(shared("samples").rglob("*.jpg")):
        if ".oracle" in path.parts or ".truth" in path.parts or "malformed-media" in path.parts:
            continue
        found, _ = looked(path.read_bytes())
        compared += found is not None
        if found is not None and found.suspect:
            doubted.add(path.name)
    assert compared >= 45
    assert doubted <= {"Sony Cybershot (3).jpg", "ricoh-rdc5300.jpg"}

"""Pixels of a picture, bounded: decoded, turned upright, re-encoded small, and hashed for likeness.

The one home of Pillow in the locked process. What it makes is new pixels alone: no metadata, no
colour profile, no second picture hidden behind the first comes along.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from PIL import __version__ as pillow

from ingest.extraction import Derivative, Fact, Item, Problem

try:
    import numpy as np
    import pdqhash

    COMPARED = True
except ImportError:  # no wheel for this machine: pictures are then not compared
    COMPARED = False
with contextlib.suppress(ImportError):  # without it HEIC has no preview
    import pillow_heif

    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.register_heif_opener(thumbnails=False)

VERSION = f"Pillow {pillow}"
Picture = Image.Image
THUMBNAIL = 256  # pixels of the longer side
PREVIEW = 1600
MOST_PIXELS = 150_000_000  # decoded as RGB this is 450 MB
COMPARED_AT = 512  # PDQ shrinks what is larger by itself, and says so
_FEW_FEATURES = 50  # PDQ's own measure, of 100; below it likeness means little

Image.init()  # every format now: a locked process loads nothing
Image.MAX_IMAGE_PIXELS = MOST_PIXELS
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def decoded(file: BinaryIO, *, frame: int = 0) -> Iterator[Image.Image | Problem]:
    """Yield the picture, upright and in RGB, as large as a preview; and what was wrong with it.

    Args:
        file: the picture's file.
        frame: which of several, from 0.
    """
    for lenient in (False, True):
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient
        file.seek(0)
        try:
            with Image.open(file) as opened:
                if frame:
                    opened.seek(frame)
                if opened.width * opened.height > MOST_PIXELS:
                    yield Problem(f"{opened.width}×{opened.height} pixels: too many to decode")
                    return
                # JPEG decodes at a half, a quarter or an eighth by itself, much the faster.
                opened.draft("RGB", _within(opened.size, PREVIEW))
                opened.load()
                ImageOps.exif_transpose(opened, in_place=True)
                yield flat(opened)
                return
        except UnidentifiedImageError:  # that no decoder here knows it is no failure of the file
            yield Problem("not shown: no decoder here takes it for a picture", incomplete=False)
            return
        except Exception as error:  # noqa: BLE001  (a decoder may raise anything)
            reason = f"{type(error).__name__}: {error}"[:200]
            if lenient:
                yield Problem(f"not decoded: {reason}")
                return
            first = reason
        if "truncated" not in first and "broken" not in first:
            yield Problem(f"not decoded: {first}")
            return
        yield Problem(f"shown as far as it can be decoded: {first}")


def whole(file: BinaryIO, frame: int = 0) -> Image.Image | None:
    """Return a picture in all of its pixels, upright and in RGB; None: they are too many.

    May raise whatever a decoder raises on a broken file.
    """
    file.seek(0)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    with Image.open(file) as opened:
        if frame:
            opened.seek(frame)
        if opened.width * opened.height > MOST_PIXELS:
            return None
        opened.load()
        ImageOps.exif_transpose(opened, in_place=True)
        return flat(opened)


def page_of(picture: Image.Image, width: float) -> bytes:
    """Return a PDF of one page, so many points wide, with a picture on it."""
    out = io.BytesIO()
    picture.save(out, "PDF", resolution=picture.width * 72 / width, quality=92)
    return out.getvalue()


def frames_in(file: BinaryIO) -> int:
    """Return how many pictures a file holds, as far as its decoder counts them; 0: none."""
    file.seek(0)
    try:
        with Image.open(file) as opened:
            return int(getattr(opened, "n_frames", 1))
    except Exception:  # noqa: BLE001  (as above; `decoded` says what is wrong)
        return 0


def fitted(picture: Image.Image, most: int) -> Image.Image:
    """Return a picture of at most so many pixels a side."""
    if max(picture.size) <= most:
        return picture
    size = _within(picture.size, most)
    return picture.resize(size, Image.Resampling.HAMMING, reducing_gap=1.5)


def _within(size: tuple[int, int], most: int) -> tuple[int, int]:
    """Return the size of a picture that is shrunk to at most so many pixels a side."""
    part = min(1.0, most / max(size))
    return max(1, round(size[0] * part)), max(1, round(size[1] * part))


def encoded(picture: Image.Image) -> bytes:
    """Return a picture as a JPEG: its pixels and nothing else."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=82)
    return out.getvalue()


def likeness(picture: Image.Image, name: str = "Derived:PDQ") -> Iterator[Item]:
    """Yield the PDQ hash of a picture (Meta, 2019; 256 bits) and how much it is worth.

    Two pictures are alike where at most 31 bits differ; the hash says nothing of who or what.
    """
    if not COMPARED:
        yield Problem("no perceptual hash: pdqhash is not installed", incomplete=False)
        return
    bits, quality = pdqhash.compute(np.asarray(fitted(picture, COMPARED_AT)))
    value = np.packbits(bits).tobytes().hex()
    doubt = None if quality >= _FEW_FEATURES else f"few features ({quality} of 100): means little"
    yield Fact(name, f"pdq:{value}", f"quality {quality}", "pdqhash", None, doubt, "digest")


def difference(picture: Image.Image, other: Image.Image) -> tuple[float, int]:
    """Return how much two pictures differ in their rough shades (0 to 255), and the turn to it.

    Both are shrunk to 16 by 16 shades of grey. Bars beside a picture of another shape are cut
    off, and the four turns are tried: cameras write both into thumbnails.
    """
    shades, found = _shades(picture), []
    for turn in (0, 90, 180, 270):
        turned = other.rotate(turn, expand=True) if turn else other
        ways = [turned, _without_bars(turned, picture.width / picture.height)]
        found += [(_apart(shades, _shades(one)), turn) for one in ways]
    return min(found)


def _without_bars(picture: Image.Image, shape: float) -> Image.Image:
    width, height = picture.size
    if width / height > shape:
        kept = max(1, round(height * shape))
        box = ((width - kept) // 2, 0, (width - kept) // 2 + kept, height)
    else:
        kept = max(1, round(width / shape))
        box = (0, (height - kept) // 2, width, (height - kept) // 2 + kept)
    return picture.crop(box)


def _shades(picture: Image.Image) -> bytes:
    rough = picture.resize((16, 16), Image.Resampling.BOX).convert("L")
    return ImageOps.autocontrast(rough).tobytes()


def _apart(one: bytes, other: bytes) -> float:
    return float(sum(abs(a - b) for a, b in zip(one, other, strict=True))) / 256


def made_of(picture: Image.Image, *, kind: str, locator: str = "") -> Derivative:
    """Return a preview of a page or key frame."""
    return Derivative.of(kind, "image/jpeg", encoded(fitted(picture, PREVIEW)), locator=locator)


def drawn() -> bytes:
    """Return a small JPEG of our own: a ramp from black to white."""
    return encoded(fitted(Image.linear_gradient("L").convert("RGB"), 64))


def flat(picture: Image.Image) -> Image.Image:
    """Return a picture in RGB; what is transparent stands on white."""
    if picture.mode.startswith("I"):  # more than eight bits: the most significant eight
        shades = picture.convert("I")
        low, high = (int(str(one)) for one in shades.getextrema())
        scale = 255 / max(1, high - low)
        picture = shades.point(lambda shade: shade * scale - low * scale).convert("L")
    if "A" in picture.getbands() or "transparency" in picture.info:
        whole = picture.convert("RGBA")
        ground = Image.new("RGBA", whole.size, "white")
        picture = Image.alpha_composite(ground, whole)
    plain = picture.convert("RGB")
    plain.info = {}  # what stands beside the pixels (comment, profile) would be written with them
    return plain

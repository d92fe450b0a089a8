"""Key frames of films by ffmpeg: pictures a person can look at, and a hash of how each looks."""

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import LONG, PATH, Found, Item, Problem, Program
from ingest.readers import pixels

NAME = "keyframes"
VERSION = f"key frames 1, {pixels.VERSION}"
FORMATS = frozenset(
    {
        "video/mp4", "video/quicktime", "video/3gpp", "video/3gpp2", "video/x-m4v",
        "video/x-msvideo", "video/x-matroska", "video/webm", "video/mpeg", "video/mp2t",
        "video/MP2T", "video/mp2p", "video/ogg", "video/x-flv", "video/x-ms-asf", "video/x-ms-wmv",
    }
)  # fmt: skip
PROGRAM = Program("ffmpeg", ("-version",), stdout_bytes=12 << 20, kept=False)
LIMITS = LONG
_MOST = 12
_EVERY = 5  # seconds at least between two
_WIDTH = 640

# An AVI of our own: one frame of 16 × 16 pixels, uncompressed.
_FRAME = bytes(range(256)) * 3


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + len(data).to_bytes(4, "little") + data


def _numbers(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


def _film() -> bytes:
    main = _numbers(40_000, 0, 0, 0x10, 1, 0, 1, 768, 16, 16, 0, 0, 0, 0)
    stream = b"vidsDIB " + _numbers(0, 0, 0, 1, 25, 0, 1, 768, 0xFFFFFFFF, 0) + bytes(8)
    shape = _numbers(40, 16, 16) + b"\x01\0\x18\0" + _numbers(0, 768, 0, 0, 0, 0)
    track = b"strl" + _chunk(b"strh", stream) + _chunk(b"strf", shape)
    header = b"hdrl" + _chunk(b"avih", main) + _chunk(b"LIST", track)
    frames = b"movi" + _chunk(b"00db", _FRAME)
    index = b"00db" + _numbers(0x10, 4, 768)
    body = _chunk(b"LIST", header) + _chunk(b"LIST", frames) + _chunk(b"idx1", index)
    return _chunk(b"RIFF", b"AVI " + body)


SAMPLE = _film()


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield up to twelve key frames, at least five seconds apart, and the hash of each."""
    apart = f"isnan(prev_selected_t)+gte(t-prev_selected_t\\,{_EVERY})"
    chosen = f"select=eq(pict_type\\,I)*({apart}),scale=w=min({_WIDTH}\\,iw):h=-2,showinfo"
    ran = found.run(
        "-nostdin", "-hide_banner", "-threads", "1", "-i", PATH, "-an", "-sn", "-dn",
        "-vf", chosen, "-frames:v", str(_MOST), "-vsync", "vfr",
        "-f", "image2pipe", "-c:v", "mjpeg", "-q:v", "4", "-",
    )  # fmt: skip
    times = re.findall(rb"\] n: *[0-9]+ pts: *-?[0-9]+ pts_time:(-?[0-9.]+)", ran.stderr)
    pictures = _split(ran.stdout)
    for number, picture in enumerate(pictures):
        at = times[number].decode() if number < len(times) else f"frame {number + 1}"
        for one in pixels.decoded(io.BytesIO(picture)):
            if isinstance(one, Problem):
                yield one
                continue
            yield pixels.made_of(one, kind="keyframe", locator=f"t={at}")
            yield from pixels.likeness(one, "Derived:PDQ")
    if ran.exit or not pictures:
        last = ran.stderr.decode("utf-8", "backslashreplace").strip().rpartition("\n")[2]
        yield Problem(f"ffmpeg: {len(pictures)} key frames, exit {ran.exit}: {last}"[:300])


def _split(stream: bytes) -> list[bytes]:
    """Return the JPEGs that stand one after the other."""
    return [b"\xff\xd8\xff" + one for one in stream.split(b"\xff\xd8\xff")[1:]]

"""Small copies of films and sound that a browser plays, by ffmpeg; made where they are asked for.

The copy is for looking and listening: 320 pixels, 12 pictures a second, one channel. It is never
compared with anything, and what was in the file beside picture and sound is not in it.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import PATH, Derivative, Found, Item, Limits, Problem, Program

NAME = "playable"
VERSION = "playable copies 1, ffmpeg"
FILMS = frozenset(
    {
        "video/mp4", "video/quicktime", "video/3gpp", "video/3gpp2", "video/x-m4v",
        "video/x-msvideo", "video/x-matroska", "video/webm", "video/mpeg", "video/mp2t",
        "video/MP2T", "video/mp2p", "video/ogg", "video/x-flv", "video/x-ms-asf", "video/x-ms-wmv",
    }
)  # fmt: skip
SOUND = frozenset(
    {
        "audio/mpeg", "audio/ogg", "audio/opus", "audio/flac", "audio/x-flac", "audio/x-aiff",
        "audio/aiff", "audio/amr", "audio/AMR", "audio/AMR-WB", "audio/aac",
        "audio/x-hx-aac-adts", "audio/x-wav", "audio/wav", "audio/vnd.wave", "audio/wave",
        "audio/mp4", "audio/x-m4a", "audio/x-matroska", "audio/webm",
    }
)  # fmt: skip
FORMATS = FILMS | SOUND
ASKED = True  # a minute of film takes seconds of a core
PROGRAM = Program("ffmpeg", ("-version",), stdout_bytes=15 << 20, kept=False)
LIMITS = Limits(cpu_seconds=90, wall_ms=120_000)
_WORK = 60  # seconds of a core; then the copy ends where it is
_MOST = 180  # seconds of film, and
_MOST_SOUND = 1_800  # of sound
_WIDTH = 320

# A tenth of a second of silence, 8,000 samples a second.
_HEAD = b"WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x08\0data" + (800).to_bytes(
    4, "little"
)
SAMPLE = b"RIFF" + (len(_HEAD) + 800).to_bytes(4, "little") + _HEAD + b"\x80" * 800


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield a copy of the film, or of the sound, up to some minutes of it."""
    film = bool(FILMS & found.format.names)
    picture = (
        "-vf", f"scale=w=min({_WIDTH}\\,iw):h=-2,fps=12", "-c:v", "libvpx", "-deadline", "realtime",
        "-cpu-used", "8", "-b:v", "150k", "-maxrate", "250k", "-bufsize", "500k",
    ) if film else ("-vn",)  # fmt: skip
    most = _MOST if film else _MOST_SOUND
    ran = found.run(
        "-nostdin", "-hide_banner", "-timelimit", str(_WORK), "-threads", "1", "-i", PATH,
        "-t", str(most), "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1",
        *picture, "-threads", "1", "-c:a", "libopus", "-b:a", "24k", "-ac", "1",
        "-f", "webm" if film else "ogg", "-",
    )  # fmt: skip
    said = ran.stderr.decode("utf-8", "backslashreplace")
    reached = re.findall(r"time=(\d+):(\d\d):(\d\d)", said)
    if ran.stdout and reached:
        mime = "video/webm" if film else "audio/ogg"
        yield Derivative.of("film" if film else "sound", mime, ran.stdout)
        whole = re.search(r"Duration: (\d+):(\d\d):(\d\d)", said)
        if whole and _seconds(whole.groups()) > _seconds(reached[-1]) + 1:
            played, of = _seconds(reached[-1]), _seconds(whole.groups())
            yield Problem(f"the copy has the first {played} of {of} seconds", incomplete=False)
    if ran.exit or not ran.stdout:
        last = said.strip().rpartition("\n")[2]
        yield Problem(f"ffmpeg: exit {ran.exit}: {last}"[:300])


def _seconds(parts: tuple[str, ...]) -> int:
    hours, minutes, seconds = map(int, parts)
    return 3600 * hours + 60 * minutes + seconds

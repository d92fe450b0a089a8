"""Which names of formats belong together: one decision from several witnesses and the file's name.

libmagic, PRONOM and our own rules for containers are kept apart and compared; neither is right by
itself. A mismatch with the claimed extension is a flag, never a refusal.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ingest.extraction import Format, NotARecord, visible

UNKNOWN = "application/octet-stream"  # libmagic's "data"
EMPTY = "inode/x-empty"

_TEXT = frozenset({"text/plain", "application/json", "application/x-ndjson"})
_XML = frozenset({"text/xml", "application/xml", "text/plain", "text/html"})
_ZIP = frozenset({"application/zip"})
_GZIP = frozenset({"application/gzip"})
_TIFF = frozenset({"image/tiff"})
_HEIF = frozenset({"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"})
_MP4 = frozenset({"video/mp4", "video/quicktime", "video/3gpp", "video/3gpp2", "audio/mp4"})
_OLE = frozenset({"application/x-ole-storage", "application/cdfv2"})
_RAW_DISK = frozenset({"application/x-iso9660-image", "application/x-apple-diskimage", UNKNOWN})
_DATABASE = frozenset({"application/vnd.sqlite3", "application/x-sqlite3"})

# What a file may be called that its name rightly calls so. UNKNOWN stands where libmagic 5.41
# does not know the format; an extension that is not listed claims nothing that we can compare.
ALIASES: dict[str, frozenset[str]] = {
    **dict.fromkeys(("jpg", "jpeg", "jpe", "jfif", "jps", "mpo"), frozenset({"image/jpeg"})),
    **dict.fromkeys(("tif", "tiff", "dng", "nef", "arw", "iiq"), _TIFF | {"image/x-adobe-dng"}),
    "cr2": frozenset({"image/x-canon-cr2", "image/tiff"}),
    "cr3": frozenset({"image/x-canon-cr3", "video/mp4", "video/quicktime", UNKNOWN}),
    **dict.fromkeys(("heic", "heif", "hif"), _HEIF),
    "avif": frozenset({"image/avif", *_HEIF}),
    "jxl": frozenset({"image/jxl"}),
    "jp2": frozenset({"image/jp2"}),
    "png": frozenset({"image/png", "image/apng"}),
    "gif": frozenset({"image/gif"}),
    "bmp": frozenset({"image/bmp", "image/x-ms-bmp"}),
    "webp": frozenset({"image/webp"}),
    "psd": frozenset({"image/vnd.adobe.photoshop"}),
    "svg": frozenset({"image/svg+xml", *_XML}),
    **dict.fromkeys(("mp4", "m4v", "mov", "3gp", "3g2", "m4a"), _MP4 | {"audio/x-m4a"}),
    "avi": frozenset({"video/x-msvideo"}),
    **dict.fromkeys(("mkv", "webm"), frozenset({"video/x-matroska", "video/webm"})),
    **dict.fromkeys(("mts", "m2ts", "ts"), frozenset({"video/mp2t", "video/MP2T", UNKNOWN})),
    **dict.fromkeys(("mpg", "mpeg"), frozenset({"video/mpeg", "video/mp2p", "video/mp2t"})),
    "mp3": frozenset({"audio/mpeg", UNKNOWN}),  # without ID3 a frame is easily missed
    "wav": frozenset({"audio/x-wav", "audio/wav", "audio/vnd.wave"}),
    **dict.fromkeys(("ogg", "oga", "opus", "ogv"), frozenset({"audio/ogg", "video/ogg"})),
    "flac": frozenset({"audio/flac", "audio/x-flac"}),
    "amr": frozenset({"audio/amr", "audio/AMR"}),
    "pdf": frozenset({"application/pdf"}),
    "doc": frozenset({"application/msword", *_OLE}),
    "xls": frozenset({"application/vnd.ms-excel", *_OLE}),
    "ppt": frozenset({"application/vnd.ms-powerpoint", *_OLE}),
    "msg": frozenset({"application/vnd.ms-outlook", *_OLE}),
    **{
        extension: _ZIP | {f"application/vnd.openxmlformats-officedocument.{kind}"}
        for extension, kind in (
            ("docx", "wordprocessingml.document"),
            ("xlsx", "spreadsheetml.sheet"),
            ("pptx", "presentationml.presentation"),
        )
    },
    "odt": _ZIP | {"application/vnd.oasis.opendocument.text"},
    "ods": _ZIP | {"application/vnd.oasis.opendocument.spreadsheet"},
    "epub": _ZIP | {"application/epub+zip"},
    "rtf": frozenset({"text/rtf", "application/rtf"}),
    **dict.fromkeys(("zip", "wacz", "ufdr", "cbz"), _ZIP),
    "apk": _ZIP | {"application/vnd.android.package-archive", "application/java-archive"},
    **dict.fromkeys(("gz", "tgz"), _GZIP),
    "tar": frozenset({"application/x-tar"}),
    "rar": frozenset({"application/x-rar", "application/vnd.rar"}),
    "7z": frozenset({"application/x-7z-compressed"}),
    "warc": _GZIP | {"application/warc", "text/plain", UNKNOWN},
    "ab": frozenset({"application/x-google-ab"}),
    **dict.fromkeys(("db", "sqlite", "sqlite3", "sqlitedb"), _DATABASE),
    **dict.fromkeys(("e01", "ex01", "l01", "lx01"), frozenset({UNKNOWN})),
    **dict.fromkeys(("raw", "img", "dd", "001"), _RAW_DISK | {"application/x-tar"}),
    "iso": frozenset({"application/x-iso9660-image"}),
    **dict.fromkeys(("json", "jsonl", "ndjson"), _TEXT),
    "txt": frozenset({"text/plain", "application/json", "text/csv", *_XML}),
    "csv": frozenset({"text/csv", "text/plain", "application/csv"}),
    **dict.fromkeys(("html", "htm"), frozenset({"text/html", "text/plain", "text/xml"})),
    **dict.fromkeys(("xml", "kml", "gpx", "xmp", "inx"), _XML),
    "plist": _XML | {"application/x-bplist", UNKNOWN},
    "eml": frozenset({"message/rfc822", "text/plain", "text/html"}),
}
_SEGMENTS = frozenset(f"e{number:02}" for number in range(2, 100))  # of a disk image, E02 to E99

# Two words for one format.
_SAME = (
    frozenset({"application/x-sqlite3", "application/vnd.sqlite3"}),
    frozenset({"application/x-rar", "application/vnd.rar"}),
    frozenset({"text/rtf", "application/rtf"}),
    frozenset({"text/xml", "application/xml"}),
    frozenset({"image/fits", "application/fits"}),
    frozenset({"audio/x-wav", "audio/wav", "audio/vnd.wave"}),
    frozenset({"image/bmp", "image/x-ms-bmp"}),
    frozenset({"application/x-gzip", "application/gzip"}),
    frozenset({"video/x-msvideo", "video/avi", "video/msvideo"}),
    frozenset({"application/x-tar", "application/tar"}),
    frozenset({"audio/flac", "audio/x-flac"}),
    _HEIF,
    _MP4 | {"application/mp4", "audio/x-m4a", "video/x-m4v"},
)
# A word that says less, and how the words begin that say more of the same.
_BROADER = {
    UNKNOWN: ("",),
    "text/plain": ("text/", "application/json", "application/x-ndjson", "message/", "image/svg"),
    "text/xml": ("image/svg", "application/", "text/html"),
    "application/zip": (
        "application/vnd.", "application/x-wacz", "application/epub", "application/java",
        "application/x-java",
    ),
    "application/gzip": ("application/warc", "application/x-"),
    "application/x-ole-storage": ("application/vnd.", "application/msword"),
    "image/tiff": ("image/x-", "image/geotiff"),
}  # fmt: skip
# Formats that PRONOM knows and has no media type for.
_TYPES = {
    "fmt/414": "audio/x-aiff", "fmt/2062": "image/avif", "fmt/1061": "image/tiff",
    "fmt/592": "image/x-canon-cr2", "fmt/1595": "image/x-canon-cr3", "fmt/569": "video/x-matroska",
    "fmt/979": "text/xml", "fmt/984": "application/x-bplist", "fmt/570": "text/xml",
    "fmt/1671": "application/x-compress", "fmt/803": "application/encase",
    "fmt/1055": "video/mp2t",
}  # fmt: skip
_PUID = re.compile(r"(?:x-)?fmt/[0-9]{1,6}")
_MIME = re.compile(r"[a-z0-9.+-]{1,60}/[A-Za-z0-9.+_-]{1,100}")


@dataclass(frozen=True, slots=True)
class Pronom:
    """What PRONOM's signatures say of a file, or why they say nothing."""

    tool: str  # with the version of program and signatures; empty: it is not installed
    puid: str | None = None
    mimes: tuple[str, ...] = ()
    words: str = ""  # name and version of the format, and what matched; or why there is none

    def to_json(self) -> dict[str, object]:
        """Return the form that `pronom_from` reads."""
        return {
            "tool": self.tool, "puid": self.puid, "mimes": list(self.mimes), "words": self.words,
        }  # fmt: skip

    @property
    def line(self) -> str:
        """What the record keeps of it."""
        return visible(f"{self.tool or 'PRONOM'}: {self.puid or 'no identifier'} ({self.words})")


NOT_ASKED = Pronom("", words="not asked")


def decide(*, mime: str, description: str, libmagic: str, pronom: Pronom, extension: str) -> Format:
    """Return one format from what the witnesses say.

    Args:
        mime: libmagic's media type.
        description: its description.
        libmagic: its name and version.
        pronom: what PRONOM says.
        extension: what the name claims.

    The media type is libmagic's, unless PRONOM's says more of the same.
    """
    theirs = pronom.mimes or ((_TYPES[pronom.puid],) if pronom.puid in _TYPES else ())
    chosen = next((one for one in theirs if _says_more(one, mime)), mime)
    also = tuple(dict.fromkeys(one for one in (mime, *theirs) if one != chosen))
    tools = (libmagic, *filter(None, (pronom.tool,)))
    return Format(
        mime=chosen,
        description=description,
        claimed_extension=extension,
        mismatch=mismatch((chosen, *also), extension),
        agreement=agreement(mime, theirs, puid=pronom.puid),
        tools=tools,
        puid=pronom.puid,
        also=also,
        witnesses=(visible(f"{libmagic}: {mime} ({description})"), pronom.line),
    )


def agreement(mime: str, theirs: Collection[str], *, puid: str | None) -> str:
    """Return whether two witnesses name the same format; `single` where one alone names it."""
    if puid is None or mime in {UNKNOWN, EMPTY} or not theirs:
        return "single"
    return "agree" if any(_together(mime, one) for one in theirs) else "differ"


def mismatch(names: Collection[str], extension: str) -> bool:
    """Return whether an extension claims something else than what was detected.

    Args:
        names: the media types that the witnesses give.
        extension: in lower case. None, one we do not know and an empty file claim nothing.
    """
    if not extension or EMPTY in names:
        return False
    if extension in _SEGMENTS:
        return not {UNKNOWN, "application/encase"} & set(names)
    return extension in ALIASES and ALIASES[extension].isdisjoint(names)


def pronom_from(found: Mapping[str, object]) -> Pronom:
    """Read a witness's answer as it came from its process: hostile, so every field is checked.

    Raises:
        NotARecord: not the shape of an answer.
    """
    puid, mimes, words, tool = (found.get(name) for name in ("puid", "mimes", "words", "tool"))
    if not isinstance(tool, str) or not isinstance(words, str) or not isinstance(mimes, list):
        raise NotARecord("no answer of a witness")
    if not (puid is None or (isinstance(puid, str) and _PUID.fullmatch(puid))):
        raise NotARecord("a PRONOM identifier is fmt/N or x-fmt/N")
    good = tuple(one for one in mimes if isinstance(one, str) and _MIME.fullmatch(one))
    return Pronom(visible(tool[:300]), puid, good[:10], visible(words[:500]))


def _together(one: str, other: str) -> bool:
    return (
        one == other
        or any({one, other} <= same for same in _SAME)
        or (_says_more(one, other) or _says_more(other, one))
    )


def _says_more(one: str, than: str) -> bool:
    return one != than and one not in _BROADER and one.startswith(_BROADER.get(than, ("\0",)))

"""Tables of the custody: CSV, and a load file for review platforms (Concordance DAT, Opticon OPT).

CSV (RFC 4180, UTF-8 with a byte order mark) is opened by spreadsheets, which take some cells for
formulas. A cell that begins with `= + - @`, tab, carriage return, or `'` gets one `'` before it;
whoever takes off one leading `'` has exactly what was there.
"""

import csv
import io
from collections.abc import Iterable, Iterator

from repository.exports.gathered import Gathered
from repository.exports.twins.facts import About, events, exhibits, text

BOM = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_QUOTE, _FIELD, _LINE = "\u00fe", "\x14", "\u00ae"  # as Concordance writes DAT files
_TOLD = ("name", "path", "title", "source", "collected_by", "place", "method", "authority")
_LOAD = (
    "DOCID", "BEGBATES", "ENDBATES", "EXHIBIT", "ROOT_EXHIBIT", "PART", "CUSTODIAN",
    "COLLECTED_BY", "DATE_COLLECTED", "DATE_RECEIVED", "FILE_NAME", "FILE_SIZE", "FILE_TYPE",
    "SHA256", "MARKING", "NATIVE_LINK",
)  # fmt: skip
_PICTURES = ("image/tiff", "image/jpeg", "image/png")


def entries(found: Gathered) -> Iterator[bytes]:
    """Yield a row for each entry, with what of it may be shown."""
    head = (
        "index", "at", "type", "outcome", "reason", "exhibit", "seq", "actor_id", "role",
        "actor_name", "organisation", "purpose", "authority", "recipient", "request_id", "by",
        "further",
    )  # fmt: skip

    def rows() -> Iterator[list[str]]:
        for entry, values in events(found):
            fields, about = entry.fields, entry.fields.get("exhibit", {})
            shown = {name: text(value) for name, value in values.items()}
            named = [shown.pop(name, "") for name in head[9:14]]
            yield [
                str(entry.index), fields["at"], fields["type"], fields["outcome"],
                fields.get("reason", ""), about.get("number", ""), str(about.get("seq", "")),
                fields["actor"]["id"], fields["actor"]["role"], *named,
                fields.get("request_id", ""), fields["by"],
                "; ".join(f"{name}: {value}" for name, value in sorted(shown.items())),
            ]  # fmt: skip

    return _csv(head, rows())


def exhibit_rows(found: Gathered) -> Iterator[bytes]:
    """Yield a row for each exhibit: what its entries say of it."""
    head = (
        "number", "root_number", "id", "parts", "mime", "collected_at", "received_at",
        "registered_at", "marking", *_TOLD,
    )  # fmt: skip
    return _csv(
        head,
        (
            [
                one.number, one.root, one.id, str(len(one.files)), one.mime, one.collected_at,
                one.received_at, one.registered_at, one.marking,
                *(one.told.get(name, "") for name in _TOLD),
            ]
            for one in exhibits(found)
        ),
    )  # fmt: skip


def files(found: Gathered) -> Iterator[bytes]:
    """Yield a row for each file of the exhibits, with its digests as registered."""
    return _csv(
        ("exhibit", "part", "path", "size", "sha256", "sha512"),
        (
            [one.number, str(file.part), file.path, str(file.size),
             file.digests.get("sha256", ""), file.digests.get("sha512", "")]
            for one in exhibits(found)
            for file in one.files
        ),
    )  # fmt: skip


def load_file(found: Gathered) -> Iterator[bytes]:
    """Yield a Concordance DAT file: a row for each file, all of them as natives."""
    yield BOM.encode() + _dat(_LOAD)
    for one in exhibits(found):
        for file in one.files:
            yield _dat(
                (
                    _key(one, file.part), *one.numbers, one.number, one.root, str(file.part),
                    one.told.get("source", ""), one.told.get("collected_by", ""),
                    one.collected_at, one.received_at,
                    one.told.get("name", file.path.rpartition("/")[2]), str(file.size), one.mime,
                    file.digests.get("sha256", ""), one.marking, file.path.replace("/", "\\"),
                )
            )  # fmt: skip


def pages(found: Gathered) -> Iterator[bytes]:
    """Yield an Opticon OPT file: the exhibits that are pictures, as documents of one page."""
    for one in exhibits(found):
        for file in one.files:
            if one.mime in _PICTURES:
                place = file.path.replace("/", "\\")
                yield f"{_key(one, file.part)},DATA,{place},Y,,,1\r\n".encode()


def _key(about: About, part: int) -> str:
    return about.number if len(about.files) == 1 else f"{about.number}.{part}"


def _dat(cells: Iterable[str]) -> bytes:
    clean = (
        cell.replace("\r\n", _LINE).replace("\n", _LINE).replace("\r", _LINE)
        .replace(_QUOTE, "U+00FE").replace(_FIELD, "U+0014")
        for cell in cells
    )  # fmt: skip
    return (_FIELD.join(f"{_QUOTE}{cell}{_QUOTE}" for cell in clean) + "\r\n").encode()


def _csv(head: Iterable[str], rows: Iterable[list[str]]) -> Iterator[bytes]:
    yield BOM.encode() + _row(list(head))
    for row in rows:
        yield _row([safe(cell) for cell in row])


def safe(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _row(cells: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode()

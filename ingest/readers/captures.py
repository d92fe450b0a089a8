"""What a WARC came to: records, software, times, pages, addresses, and the seal of its digests."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.extraction import Fact, Item, Member, Problem, Seal
from ingest.normalise import fact, times
from ingest.normalise.identifiers import url
from ingest.readers.members import MOST_MEMBERS, Budget, Exhausted, Sequential, Unreadable
from ingest.readers.named import named
from ingest.readers.warcs import Record, name_of, records

MOST_PAGES = 1000
MOST_LISTED = 20 << 20  # bytes of the listing
# What Browsertrix and ArchiveWeb.page call a picture of a page, made while they captured it.
_SCREENSHOT = re.compile(r"urn:(view|thumbnail|fullPage):(.+)", re.S)


@dataclass(slots=True)
class _Tally:
    """Counts over all records."""

    kinds: Counter[str] = field(default_factory=Counter)
    first: str = ""
    last: str = ""
    pages: int = 0
    equal: int = 0
    without: int = 0
    unknown: int = 0
    differing: list[str] = field(default_factory=list)
    shown: int = 0


def captured(source: Sequential, name: str, origin: str, budget: Budget) -> Iterator[Item]:
    """Yield each record as a member, then what it all came to, with the seal.

    Args:
        source: the WARC's bytes.
        name: of the WARC inside its container, or empty.
        origin: tool and version.
        budget: bounds the work.
    """
    tally = _Tally()
    problems: list[str] = []
    stopped = ""
    within = f"{name}!/" if name else ""
    try:
        for record in records(source, budget, problems):
            yield from _record(record, within, f"{origin} {name}".strip(), tally)
    except (Exhausted, Unreadable) as error:
        stopped = str(error)
    where = f"{origin} {name}".strip()
    for kind, count in tally.kinds.most_common(20):
        yield Fact("WARC:Records", f"{kind or 'unknown'} {count}", f"{kind} {count}", where)
    for tag, raw in (("FirstDate", tally.first), ("LastDate", tally.last)):
        if raw:
            yield fact(f"WARC:{tag}", raw, where, times.iso(raw))
    yield _seal(tally, name, stopped)
    for problem in problems[:20]:
        yield Problem(f"{name} {problem}".strip())
    if stopped:
        yield Problem(f"{name} was not read to its end: {stopped}".strip())


def _record(record: Record, within: str, origin: str, tally: _Tally) -> Iterator[Item]:
    headers = record.headers
    tally.kinds[record.kind] += 1
    tally.equal += record.equal
    tally.unknown += record.unknown
    target, date = headers.get("warc-target-uri", "").strip("<>"), headers.get("warc-date", "")
    if not record.equal and not record.differing:
        tally.without += 1
    for what in record.differing:
        tally.differing.append(f"{what} of {headers.get('warc-record-id', '')} {target}"[:300])
    if date:
        tally.first = min(filter(None, (tally.first, date)))
        tally.last = max(tally.last, date)
    if record.kind == "warcinfo":
        yield from _info(record, origin)
    tally.shown += 250 + 2 * len(target)
    if sum(tally.kinds.values()) <= MOST_MEMBERS and tally.shown < MOST_LISTED:
        flags = [record.kind or "unknown"]
        flags += [f"status-{record.status}"] if record.status else []
        flags += ["damaged"] if record.differing or not record.whole else []
        path = f"{within}{name_of(record, sum(tally.kinds.values()))}"
        size = min(record.payload, 1 << 53)
        digest = record.sha256 or None
        yield Member(path, size, _date(date), digest if record.whole else None, tuple(flags))
    shot = _SCREENSHOT.match(target)
    if shot:
        said = f"{shot[1]} {shot[2][:2000]} {date} record={sum(tally.kinds.values())}"
        normal = url(shot[2])
        value, kind = (normal.value, "url") if normal else (shot[2][:2000], None)
        yield Fact("WARC:Screenshot", value, said, f"{origin} {record.kind}", None, None, kind)
        return
    page = record.kind == "response" and record.media.lower().startswith("text/html")
    if (page and record.status == "200") or record.kind == "resource":
        tally.pages += 1
        if tally.pages <= MOST_PAGES:
            address = headers.get("warc-ip-address", "")
            said = f"{target} {date} {record.status} {record.media} {address}".strip()
            normal = url(target)
            value = normal.value if normal else target
            kind = "url" if normal else None
            yield Fact("WARC:Page", value, said, f"{origin} {record.kind}", None, None, kind)


def _date(text: str) -> str | None:
    found = times.iso(text)
    return found.value if found else None


def _info(record: Record, origin: str) -> Iterator[Item]:
    if record.headers.get("warc-filename"):
        name = record.headers["warc-filename"][:500]
        yield Fact("WARC:Filename", name, name, f"{origin} warcinfo")
    for line in record.kept.decode("utf-8", "backslashreplace").splitlines()[:100]:
        key, colon, value = line.partition(":")
        if colon and key.strip():
            item = named("WARC", key.strip(), value, f"{origin} warcinfo")
            if item is not None:
                yield item


def _seal(tally: _Tally, name: str, stopped: str) -> Seal:
    where = f"{name}: " if name else ""
    said = f"{where}{tally.equal} digests equal, {tally.without} records without one"
    if tally.unknown:
        said += f", {tally.unknown} by algorithms not known here"
    if tally.differing:
        detail = f"{said}; {len(tally.differing)} differ: {'; '.join(tally.differing[:5])}"
        return Seal("WARC digests", "broken", detail[:2000])
    if stopped:
        return Seal("WARC digests", "not-checked", f"{said}; not read to its end: {stopped}")
    if not tally.equal:
        return Seal("WARC digests", "not-checked" if tally.unknown else "absent", said)
    return Seal("WARC digests", "valid", said)

"""HAR: what a browser recorded of its requests: pages, addresses, times, tool, bodies; streamed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ingest.extraction import LONG, Fact, Found, Item, Problem
from ingest.normalise import fact, times
from ingest.normalise.identifiers import url
from ingest.readers import hars
from ingest.readers.listing import digested
from ingest.readers.members import Budget, Exhausted, Unreadable

NAME = "har"
VERSION = "HAR reader 2"
LIMITS = LONG
FORMATS = frozenset({"har"})
CONTAINERS = {"har": lambda peek: hars.begins(peek.head)}
MOST_PAGES = 1000
SAMPLE = (
    b'{"log": {"version": "1.2", "creator": {"name": "Firefox", "version": "115.0"},\n'
    b'"pages": [{"id": "p1", "startedDateTime": "2024-05-01T10:30:00.000+03:00",'
    b' "title": "A page"}],\n"entries": [{"pageref": "p1",'
    b' "startedDateTime": "2024-05-01T10:30:00.123+03:00", "serverIPAddress": "192.0.2.7",'
    b' "request": {"method": "GET", "url": "https://example.org/a"},'
    b' "response": {"status": 200, "content": {"mimeType": "text/html", "text": "x"}}}]}}'
)


@dataclass(slots=True)
class _Tally:
    """Counts over all entries."""

    entries: int = 0
    pages: int = 0
    bodies: int = 0
    hosts: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    first: str = ""
    last: str = ""


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield tool, pages, addresses, counts, and the bodies as members."""
    tally = _Tally()
    problem = ""
    budget = Budget(14.0, 24.0)
    try:
        for path, value in hars.values(file, budget):
            match path:
                case ("log", "creator" | "browser" as what, "name" | "version" as key):
                    text = str(value)[:300]
                    yield Fact(f"HAR:{what.title()}{key.title()}", text, text, VERSION)
                case ("log", "pages", int()):
                    yield from _page(value, tally)
                case ("log", "entries", int(number)):
                    yield from _entry(value, tally)
                    begun = times.iso(_begun(value))
                    for body in hars.bodies(number + 1, value):
                        yield from digested(body, budget, begun.value if begun else None)
                case _:
                    pass
    except (Unreadable, Exhausted) as error:
        problem = str(error)
    counts = {"Entries": tally.entries, "Pages": tally.pages, "Bodies": tally.bodies}
    for name, count in counts.items():
        yield Fact(f"HAR:{name}", str(count), str(count), VERSION)
    for name, raw in (("First", tally.first), ("Last", tally.last)):
        if raw:
            yield fact(f"HAR:{name}", raw, f"{VERSION} startedDateTime", times.iso(raw))
    for status, count in sorted(tally.statuses.items())[:100]:
        yield Fact("HAR:Status", f"{status} {count}", f"{status} {count}", VERSION)
    for host, count in tally.hosts.most_common(300):
        yield Fact("HAR:Host", host, f"{host} {count}", VERSION)
    if problem:
        yield Problem(f"the file was not read to its end: {problem}")


def _begun(entry: Any) -> str:
    return str(entry.get("startedDateTime", ""))[:60] if isinstance(entry, dict) else ""


def _page(value: Any, tally: _Tally) -> Iterator[Item]:
    if not isinstance(value, dict):
        return
    tally.pages += 1
    title, begun = str(value.get("title", ""))[:1000], str(value.get("startedDateTime", ""))[:60]
    if tally.pages <= MOST_PAGES:
        normal = url(title)
        said = f"{title} {begun}"
        item = fact("HAR:Page", title, f"{VERSION} pages", normal)
        yield Fact(item.name, item.value, said, item.source, None, None, item.kind)


def _entry(value: Any, tally: _Tally) -> Iterator[Item]:
    if not isinstance(value, dict):
        return
    tally.entries += 1
    begun = _begun(value)
    if times.iso(begun) is not None:
        tally.first = min(filter(None, (tally.first, begun)))
        tally.last = max(tally.last, begun)
    request, response = value.get("request"), value.get("response")
    target = request.get("url") if isinstance(request, dict) else None
    status, media = "", ""
    if isinstance(response, dict):
        status = str(response.get("status", ""))[:10]
        content = response.get("content")
        if isinstance(content, dict):
            media = str(content.get("mimeType", ""))[:100]
            tally.bodies += bool(content.get("text"))
    tally.statuses[status] += 1
    normal = url(target) if isinstance(target, str) else None
    if normal is None or not isinstance(target, str):
        return
    if len(tally.hosts) < 5000:
        tally.hosts[normal.value.split("/")[2]] += 1
    if media.startswith("text/html") and tally.entries <= MOST_PAGES * 10:
        said = (
            f"{target[:1500]} {begun} {status} {media} {str(value.get('serverIPAddress', ''))[:60]}"
        )
        item = fact("HAR:Document", target[:2000], f"{VERSION} entries", normal)
        yield Fact(item.name, item.value, said, item.source, None, None, item.kind)

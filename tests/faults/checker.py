"""What fault runs are judged by: database and store, read as they lie there, and what was told.

It uses none of the code that took the evidence in: plain SQL, the files of the store, and the
bodies of entries as JSON. `judge` counts; everything but the first line must be 0.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from repository.stores import BUCKETS, CANARY, ObjectStore
from tests.faults.load import Told

ENDED = {"done", "ended", "joined"}
Listing = dict[str, set[str]]  # bucket -> keys


@dataclass
class Judged:
    """What a run came to."""

    acknowledged: int = 0
    exhibits: int = 0
    reads: int = 0
    lost: int = 0
    doubled: int = 0
    mixed: int = 0
    orphans: int = 0
    reads_without_entry: int = 0
    undecided: int = 0  # uploads that are neither open, nor done, nor ended; or two of these
    wrong: int = 0  # what the clients saw and must never be
    why: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not any(getattr(self, one.name) for one in fields(self)[3:])

    def __str__(self) -> str:
        counts = {one.name: getattr(self, one.name) for one in fields(self)[:-1]}
        return "  ".join(f"{name} {count}" for name, count in counts.items()) + "".join(
            f"\n  {line}" for line in self.why[:20]
        )

    def add(self, what: str, why: str) -> None:
        setattr(self, what, getattr(self, what) + 1)
        self.why.append(f"{what}: {why}")


def folder_listing(store: Path) -> Listing:
    """Return what stands in a store that is a folder, lock records left out.

    Left out is, too, what trials of the store's locks leave behind when they are killed.
    """
    return {
        bucket.name: {
            name
            for file in bucket.rglob("*")
            if file.is_file()
            and file.suffix != ".lock"
            and not (name := file.relative_to(bucket).as_posix()).startswith(CANARY)
        }
        for bucket in store.iterdir()
    }


def store_listing(store: ObjectStore) -> Listing:
    """Return what stands in a store of any kind: every version of every object.

    Left out is what trials of the store's locks leave behind.
    """
    return {
        bucket: {one.key for one in store.versions(bucket) if not one.key.startswith(CANARY)}
        for bucket in BUCKETS
    }


def judge(url: str, listing: Listing, told: Told) -> Judged:
    """Compare what the clients were told with what is there.

    Args:
        url: of the database, SQLAlchemy's way.
        listing: what the store holds, by bucket.
        told: what the clients sent and were told.
    """
    found = Judged(acknowledged=len(told.acknowledged), reads=len(told.reads))
    for line in told.wrong:
        found.add("wrong", line)
    kept = _kept(url)
    found.exhibits = len(kept.exhibits)
    _acknowledged(kept, listing, told, found)
    _doubles(kept, told, found)
    _reads(kept, told, found)
    _uploads(kept, told, found)
    return found


def judge_rest(url: str, listing: Listing, told: Told, found: Judged) -> None:
    """Count what nothing names any more, after everything that was left open has expired."""
    kept = _kept(url)
    _orphans(kept, listing, found)
    _acknowledged(kept, listing, told, found)
    for row in kept.uploads:
        if row.state not in ENDED:
            found.add("undecided", f"upload {row.id} is {row.state} long after its time")


def _kept(url: str) -> "_Kept":
    engine = create_engine(url)
    try:
        with engine.connect() as rows:
            return _Kept(
                exhibits=_all(rows, "SELECT * FROM exhibit"),
                parts=_all(rows, "SELECT * FROM part"),
                uploads=_all(rows, "SELECT * FROM upload"),
                pieces=_all(rows, "SELECT * FROM piece"),
                intents=_all(rows, "SELECT * FROM intake"),
                strays=_all(rows, "SELECT * FROM stray"),
                entries=[
                    (row.idx, json.loads(bytes(row.body)))
                    for row in rows.execute(text("SELECT idx, body FROM entry ORDER BY idx"))
                ],
            )
    finally:
        engine.dispose()


@dataclass
class _Kept:
    """The rows of one database."""

    exhibits: list[Any]
    parts: list[Any]
    uploads: list[Any]
    pieces: list[Any]
    intents: list[Any]
    strays: list[Any]
    entries: list[tuple[int, dict[str, Any]]]


def _all(rows: Any, query: str) -> list[Any]:
    return list(rows.execute(text(query)))


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _acknowledged(kept: _Kept, listing: Listing, told: Told, found: Judged) -> None:
    """What was acknowledged is there: row, entry, and every object of every part."""
    numbers = {row.number: row for row in kept.exhibits}
    entries = dict(kept.entries)
    stored: dict[str, list[str]] = {}
    for part in kept.parts:
        objects = [_json(part.stored), *(_json(part.further) or []), _json(part.manifest)]
        stored.setdefault(part.exhibit_id, []).extend(one["key"] for one in objects)
    for number, digest in told.acknowledged.items():
        row = numbers.get(number)
        if row is None:
            found.add("lost", f"{number} is no exhibit")
            continue
        if row.sha256 != digest:
            found.add("mixed", f"{number} has {row.sha256}, {digest} was acknowledged")
        entry = entries.get(told.entries[number], {})
        about = entry.get("exhibit") or {}
        if (entry.get("type"), about.get("number"), about.get("sha256")) != (
            "registration", number, digest,
        ):  # fmt: skip
            found.add("lost", f"{number}: entry {told.entries[number]} is not its registration")
        missing = set(stored.get(row.id, [])) - listing["evidence"]
        if missing or row.id not in stored:
            found.add("lost", f"{number} lacks objects {missing}")
    for name, offset in told.offsets.items():
        row = next((one for one in kept.uploads if one.id == name), None)
        if row is None:
            found.add("lost", f"upload {name} is not there")
        elif row.state != "ended" and row.offset < offset:
            found.add("lost", f"upload {name} is at {row.offset}, {offset} was acknowledged")
    by_upload: dict[str, int] = {}
    for piece in kept.pieces:
        by_upload[piece.upload_id] = by_upload.get(piece.upload_id, 0) + piece.size
        if piece.key not in listing.get("staging", set()):
            found.add("lost", f"a piece of upload {piece.upload_id} is not in the store")
    for row in kept.uploads:
        if row.state == "open" and by_upload.get(row.id, 0) != row.offset:
            found.add("lost", f"upload {row.id} is at {row.offset} with other pieces")


def _doubles(kept: _Kept, told: Told, found: Judged) -> None:
    """Every client sent bytes that are unlike all others: one exhibit each, of nobody's mixture."""
    for digest, count in Counter(row.sha256 for row in kept.exhibits).items():
        if digest not in told.sent:
            found.add("mixed", f"nobody sent {digest}")
        elif count > 1:
            found.add("doubled", f"{digest} is {count} exhibits")
    registered = Counter(
        body["exhibit"]["number"] for _, body in kept.entries if body["type"] == "registration"
    )
    for row in kept.exhibits:
        if registered[row.number] != 1:
            found.add("doubled", f"{row.number} has {registered[row.number]} registrations")
    if len(registered) != len(kept.exhibits):
        found.add("lost", f"{len(registered)} registrations, {len(kept.exhibits)} exhibits")
    indexes = [index for index, _ in kept.entries]
    if indexes != list(range(len(indexes))):
        found.add("lost", "the ledger has gaps")


def _orphans(kept: _Kept, listing: Listing, found: Judged) -> None:
    """Everything in the store belongs to an exhibit or an upload, or an entry tells of it."""
    numbered = {row.id for row in kept.exhibits}
    named = {row.key for row in kept.intents if row.exhibit_id in numbered}
    told = {
        body["location"]["key"]
        for _, body in kept.entries
        if body["type"] in ("upload_abandoned", "quarantine") and "location" in body
    } | {row.key for row in kept.strays}
    for key in listing["evidence"]:
        if key.partition(".")[0] not in named | told and key not in told:
            found.add("orphans", f"evidence/{key}")
    pieces = {piece.key for piece in kept.pieces}
    for key in listing.get("staging", set()) - pieces:
        if key.startswith("journal/"):
            continue  # entries that the mirror takes over with its next turn
        found.add("orphans", f"staging/{key}")
    decided = {"registered", "quarantined", "abandoned"}
    for row in kept.intents:
        if row.state not in decided:
            found.add("orphans", f"an intent of {row.submission_id} is {row.state}")


def _reads(kept: _Kept, told: Told, found: Judged) -> None:
    """The k-th read of an exhibit that gave bytes has k opening entries before it."""
    opened: dict[str, list[float]] = {}
    for _, body in kept.entries:
        if body["type"] == "retrieval" and body["outcome"] == "started":
            at = datetime.fromisoformat(body["at"]).timestamp()
            opened.setdefault(body["exhibit"]["number"], []).append(at)
    served: dict[str, list[float]] = {}
    for number, at in told.reads:
        served.setdefault(number, []).append(at)
    for number, times in served.items():
        entries = sorted(opened.get(number, []))
        for n, at in enumerate(sorted(times)):
            if n >= len(entries) or entries[n] > at:
                found.add("reads_without_entry", f"{number} at {at}")


def _uploads(kept: _Kept, told: Told, found: Judged) -> None:
    """Each upload is open, done or ended, and its exhibits say the same."""
    numbers = {row.number for row in kept.exhibits}
    used = Counter(
        name for row in kept.uploads if row.kind == "final" for name in _json(row.partials)
    )
    for row in kept.uploads:
        results = _json(row.results) or []
        exhibits = [one["exhibit"] for one in results if one["exhibit"]]
        # Its request was killed while it held every byte itself: nothing may have counted yet.
        died = row.state == "finishing" and row.offset == 0 and not results
        if row.state not in ENDED | {"open"} and not died:
            found.add("undecided", f"upload {row.id} is {row.state}")
        elif row.state == "done" and (not exhibits or not numbers.issuperset(exhibits)):
            found.add("undecided", f"upload {row.id} is done without its exhibits")
        elif row.state != "done" and results:
            found.add("undecided", f"upload {row.id} is {row.state} with results")
        elif row.state == "open" and row.kind != "partial" and row.length == row.offset:
            found.add("undecided", f"upload {row.id} is whole and still open")
        elif (row.state == "joined") != (used[row.id] == 1):
            found.add("undecided", f"part {row.id} is {row.state}, used {used[row.id]} times")
        if row.id in told.given_up and row.state != "ended":
            found.add("undecided", f"upload {row.id} was given up and is {row.state}")


def total(results: Iterable[Judged]) -> Judged:
    """Return the sum of several runs."""
    found = Judged()
    for one in results:
        for name in (item.name for item in fields(Judged)):
            setattr(found, name, getattr(found, name) + getattr(one, name))
    return found

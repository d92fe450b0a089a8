"""Is it well? One measure of each thing that a person may have to do something about.

A measure is `well`, or `act` (a person is needed), `not-done` (it could not be looked at, which is
no less a matter for a person), or `off` (the house has no such thing). It holds counts and times
alone: no exhibit, case or person is named in it, so that it can be shown to whoever runs machines.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cryptography import x509
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Mapped, aliased

from custody.errors import EvidenceError
from custody.publish import unwitnessed_since
from custody.tables import fetch
from ingest.duties import counts
from repository import Repository, rewrapping, setbacks
from repository.chores import BACKUP, DRILL, last_done
from repository.copies import uncopied
from repository.keyring import used
from repository.models import (
    Erasure,
    Exhibit,
    ExtractionRun,
    ObjectCheck,
    Person,
    Quarantined,
    Setback,
    StoreTrial,
)
from repository.outside import beyond
from repository.rules import Approval, Consent
from repository.search.tables import SearchExhibit
from repository.succession import named_gaps
from repository.upkeep import DAY, HOUR, MINUTE

STATES = ("well", "act", "not-done", "off")
SILENT = 15 * MINUTE  # workers do something of the house every minute
UNWITNESSED = 2 * HOUR
UNDATED = 2 * DAY  # tokens are asked for once a day, when there is anything new
ROOTS, CERTIFICATE = 180, 21  # days that are left to find another
LATE = 7 * DAY  # that a reading may lie behind what the settings ask for
WAITED = HOUR  # that anything may wait for its worker
UNBACKED = 2 * DAY
UNWRAPPED = 2 * DAY  # since another key-encryption key came into use
UNDRILLED = 190 * DAY  # half a year, and some days to bring people together
ROOM = 10  # per cent of a disk


@dataclass(frozen=True, slots=True)
class Measure:
    """What was found about one thing.

    `value` is a number to draw and to warn by, in `unit` (`seconds`, `days`, `per cent`, `count`).
    """

    name: str
    state: str
    said: str
    value: float | None = None
    unit: str = ""
    advice: str = ""

    @property
    def needs_person(self) -> bool:
        """Say whether somebody has to look at it."""
        return self.state in ("act", "not-done")


def measures(repo: Repository) -> list[Measure]:
    """Return every measure, in the order in which they are shown.

    One that cannot be taken is `not-done`, with the reason; the others are taken all the same.
    """
    return [found for name, take in _MEASURES.items() for found in _taken(repo, name, take)]


def _taken(
    repo: Repository, name: str, take: Callable[[Repository, str], Iterator[Measure]]
) -> list[Measure]:
    try:
        return list(take(repo, name))
    except (EvidenceError, OSError, ValueError) as error:
        return [Measure(name, "not-done", f"could not be looked at: {error}")]


# Who works, and who vouches


def _workers(repo: Repository, name: str) -> Iterator[Measure]:
    last = last_done(repo, "flows")
    advice = "start evidence serve or evidence worker; see their logs"
    if last is None:
        yield Measure(name, "act", "none has worked here yet", advice=advice)
        return
    age = repo.clock() - last
    yield _aged(name, age, age < SILENT, f"last at work {_ago(age)} ago", advice)


def _witnesses(repo: Repository, name: str) -> Iterator[Measure]:
    if not repo.policy.witnesses:
        yield Measure(name, "off", "none are set: receipts and stores are the only memory outside")
        return
    since = unwitnessed_since(repo.ledger, repo.policy)
    if since is None:
        yield Measure(name, "well", "every entry stands under the quorum", 0, "seconds")
        return
    age = repo.clock() - datetime.fromisoformat(since)
    said = f"entries stand under no quorum since {since}"
    advice = "ask the witnesses whether they can be reached; see the worker's log"
    yield _aged(name, age, age < UNWITNESSED, said, advice)


def _time_stamps(repo: Repository, name: str) -> Iterator[Measure]:
    if not repo.settings.tsa_urls:
        yield Measure(name, "off", "no authority is set (tsa_urls)")
        return
    with repo.database.reading() as session:
        at = fetch(session, "SELECT max(at) AS at FROM timestamp_token")[0].at
    advice = "see the worker's log for what the authority answers"
    if at is None:
        yield Measure(name, "act", "no checkpoint was dated yet", advice=advice)
        return
    age = repo.clock() - datetime.fromisoformat(at)
    yield _aged(name, age, age < UNDATED, f"the newest token is of {_ago(age)} ago", advice)


def _roots(repo: Repository, name: str) -> Iterator[Measure]:
    certificates = [
        one for text in repo.tsa_roots for one in x509.load_pem_x509_certificates(text.encode())
    ]
    if not certificates:
        yield Measure(name, "off", "no root is pinned (tsa_roots_file)")
        return
    yield _ending(repo, name, certificates, ROOTS, "run evidence ledger renew under another root")


def _certificate(repo: Repository, name: str) -> Iterator[Measure]:
    file = repo.settings.tls_certificate_file
    if file is None:
        yield Measure(name, "off", "the service has none (tls_certificate_file)")
        return
    chain = x509.load_pem_x509_certificates(file.read_bytes())
    yield _ending(repo, name, chain, CERTIFICATE, "put a new certificate in its place and restart")


def _key(repo: Repository, name: str) -> Iterator[Measure]:
    known = beyond(repo)
    if known:
        said = f"{known[0].by} shows {known[0].size} entries, here are {repo.ledger.size()}"
        advice = "evidence ledger rebuild; what nothing brings back: evidence ledger succeed"
        yield Measure(name, "act", said, advice=advice)
        return
    present = next(one for one in repo.ledger.key_history() if one.key == repo.ledger.key)
    if present.compromised is None:
        lost = "".join(f"; {gap}" for gap in named_gaps(repo))
        yield Measure(name, "well", f"signs from size {present.start}{lost}")
        return
    said = f"was in other hands from size {present.compromised}"
    yield Measure(name, "act", said, advice="evidence ledger key rotate")


# What keeps evidence


def _locks(repo: Repository, name: str) -> Iterator[Measure]:
    days = repo.settings.lock_days
    if not days:
        yield Measure(name, "off", "objects are not locked (lock_days = 0)")
        return
    with repo.database.reading() as session:
        first = session.scalar(
            select(func.min(Exhibit.locked_until)).where(Exhibit.erased_at.is_(None))
        )
    if first is None:
        yield Measure(name, "well", "there is nothing to lock yet")
        return
    left = (first - repo.clock()) / DAY
    yield Measure(
        name, "well" if left >= days / 4 else "act", f"the first ends in {left:.0f} days",
        round(left, 2), "days", "workers renew them at half a term: see their logs",
    )  # fmt: skip


def _fixity(repo: Repository, name: str) -> Iterator[Measure]:
    # In two questions, each answered by an index.
    with repo.database.reading() as session:
        read, registered = (
            session.scalar(select(func.min(column)).where(of, Exhibit.erased_at.is_(None)))
            for column, of in _READINGS
        )
        failed = _count(session.scalar(_FAILED))
    if failed:
        yield Measure(
            name, "act", f"objects that differ from what was recorded: {failed}", failed, "count",
            "evidence verify --objects names them; repair from the other store",
        )  # fmt: skip
        return
    known = [at for at in (read, registered) if at is not None]
    if not known:
        yield Measure(name, "well", "there is nothing to read yet")
        return
    age = repo.clock() - min(known)
    term = timedelta(days=repo.settings.fixity_days) + LATE
    said = f"the longest not read: {_ago(age)}"
    yield _aged(name, age, age < term, said, "evidence verify --objects; let workers run longer")


def _copies(repo: Repository, name: str) -> Iterator[Measure]:
    if repo.replica is None:
        yield Measure(name, "off", "there is no second store (replica_store_url)")
        return
    waits = uncopied(repo)
    with repo.database.reading() as session:
        oldest = session.scalar(
            select(func.min(Exhibit.registered_at)).where(
                Exhibit.copied_at.is_(None), Exhibit.erased_at.is_(None)
            )
        )
    late = oldest is not None and repo.clock() - oldest > DAY
    yield Measure(
        name, "act" if late else "well", f"exhibits in one store alone: {waits}", waits, "count",
        "see the worker's log for what the second store answers",
    )  # fmt: skip


def _stores(repo: Repository, name: str) -> Iterator[Measure]:
    for place in repo.stores:
        with repo.database.reading() as session:
            row = session.get(StoreTrial, place)
        called = f"{name}-{place}"
        if row is None:
            yield Measure(called, "not-done", "its locks were never tried: evidence store check")
        elif row.outcome == "pass":
            yield Measure(called, "well", f"locks held when they were tried: {row.detail}")
        else:
            yield Measure(called, "act", row.detail, advice="evidence store check, once mended")


def _disks(repo: Repository, name: str) -> Iterator[Measure]:
    settings = repo.settings
    places = {"data": settings.data}
    for called, url in (("store", settings.store_url), ("replica", settings.replica_store_url)):
        if url.startswith("file:"):
            places[called] = Path(unquote(urlsplit(url).path))
    for called, place in places.items():
        found = os.statvfs(place)
        free = 100 * found.f_bavail / max(1, found.f_blocks)
        gib = found.f_bavail * found.f_frsize / 2**30
        yield Measure(
            f"{name}-{called}", "well" if free >= ROOM else "act",
            f"{free:.0f} % free, {gib:.0f} GiB", round(free, 1), "per cent", "make room",
        )  # fmt: skip


def _backup(repo: Repository, name: str) -> Iterator[Measure]:
    yield _made(repo, name, BACKUP, UNBACKED, "evidence backup --out DIR, by a timer each day")


def _wrapping(repo: Repository, name: str) -> Iterator[Measure]:
    left = rewrapping.unfinished(repo)
    with repo.database.reading() as session:
        row = used(session)
    if row is None or row.used_at is None:
        yield Measure(name, "well", "the key-encryption key of the settings wraps every data key")
        return
    late = left is not None and repo.clock() - row.used_at > UNWRAPPED
    said = f"{left or 0} data keys to be wrapped by the key-encryption key {row.id}"
    yield Measure(
        name, "act" if late else "well", said, left or 0, "count",
        "evidence kek rewrap says what stands in the way",
    )  # fmt: skip


def _drill(repo: Repository, name: str) -> Iterator[Measure]:
    yield _made(repo, name, DRILL, UNDRILLED, "evidence restore --drill FILE, with the shares")


def _made(repo: Repository, name: str, chore: str, term: timedelta, advice: str) -> Measure:
    last = last_done(repo, chore)
    with repo.database.reading() as session:
        begun = session.scalar(select(func.min(Person.created_at)))
    since = last or begun or repo.clock()  # a new house has its first term, too
    age = repo.clock() - since
    said = f"the last one {_ago(age)} ago" if last else f"none in the {_ago(age)} of this house"
    return _aged(name, age, age < term, said, advice)


# What waits


def _queue(repo: Repository, name: str) -> Iterator[Measure]:
    with repo.database.reading() as session:
        oldest = session.scalar(
            select(func.min(Exhibit.registered_at)).where(Exhibit.processed_at.is_(None))
        )
        index = _count(
            session.scalar(select(func.count()).where(SearchExhibit.made < SearchExhibit.asked))
        )
    found = {**counts(repo), "index": index}
    waits = found["finish"] + found["look"] + index
    late = oldest is not None and repo.clock() - oldest > WAITED
    said = ", ".join(f"{found[one]} to {one}" for one in ("finish", "look", "index"))
    yield Measure(
        name, "act" if late else "well", said, waits, "count",
        "let more workers run (evidence worker), or see why they do not come to it",
    )  # fmt: skip


def _setbacks(repo: Repository, name: str) -> Iterator[Measure]:
    held = setbacks.counts(repo)
    never = sum(given for _, given in held.values())
    later = sum(later for later, _ in held.values())
    with repo.database.reading() as session:
        since = session.scalar(
            select(func.min(Setback.since)).where(Setback.subject == setbacks.WHOLE)
        )
    away = since is not None and repo.clock() - since > WAITED
    yield Measure(
        name, "act" if never or away else "well", f"{never} given up, {later} put off",
        never + later, "count",
        "the worker's log says why; then evidence worker --again",
    )  # fmt: skip


def _sandbox(repo: Repository, name: str) -> Iterator[Measure]:
    later = aliased(ExtractionRun)
    again = select(later.run).where(
        later.exhibit_id == ExtractionRun.exhibit_id, later.run > ExtractionRun.run
    )
    query = select(func.count()).where(ExtractionRun.outcome == "refused", ~again.exists())
    with repo.database.reading() as session:
        found = _count(session.scalar(query))
    yield Measure(
        name, "act" if found else "well", f"{found} not looked into: readers could not be locked",
        found, "count",
        "let workers run where Landlock is allowed, then evidence extract --again EXHIBIT...; "
        "evidence list --json tells which were refused",
    )  # fmt: skip


def _quarantine(repo: Repository, name: str) -> Iterator[Measure]:
    yield _asked(repo, name, "held", Quarantined.state == "held", "evidence quarantine list")


def _approvals(repo: Repository, name: str) -> Iterator[Measure]:
    yield _asked(repo, name, "waiting", Approval.state == "requested", "evidence approval list")


def _erasures(repo: Repository, name: str) -> Iterator[Measure]:
    yield _asked(repo, name, "waiting", Erasure.state == "requested", "evidence erase list")


def _consents(repo: Repository, name: str) -> Iterator[Measure]:
    yield _asked(repo, name, "asked", Consent.state == "requested", "evidence consent list")


_READINGS: tuple[tuple[Mapped[datetime | None] | Mapped[datetime], ColumnElement[bool]], ...] = (
    (Exhibit.checked_at, Exhibit.checked_at.is_not(None)),
    (Exhibit.registered_at, Exhibit.checked_at.is_(None)),
)
_FAILED = select(func.count()).select_from(ObjectCheck).where(ObjectCheck.outcome == "fail")
_MEASURES: dict[str, Callable[[Repository, str], Iterator[Measure]]] = {
    "workers": _workers,
    "queue": _queue,
    "setbacks": _setbacks,
    "sandbox": _sandbox,
    "witnesses": _witnesses,
    "time-stamps": _time_stamps,
    "time-stamp-roots": _roots,
    "log-key": _key,
    "certificate": _certificate,
    "store": _stores,
    "disk": _disks,
    "locks": _locks,
    "fixity": _fixity,
    "copies": _copies,
    "backup": _backup,
    "restore-drill": _drill,
    "wrapping-key": _wrapping,
    "quarantine": _quarantine,
    "approvals": _approvals,
    "erasures": _erasures,
    "consents": _consents,
}


def _asked(
    repo: Repository, name: str, word: str, which: ColumnElement[bool], advice: str
) -> Measure:
    with repo.database.reading() as session:
        found = _count(session.scalar(select(func.count()).where(which)))
    return Measure(name, "act" if found else "well", f"{found} {word}", found, "count", advice)


def _aged(name: str, age: timedelta, well: bool, said: str, advice: str) -> Measure:
    seconds = round(age.total_seconds())
    return Measure(name, "well" if well else "act", said, seconds, "seconds", advice)


def _ending(
    repo: Repository, name: str, certificates: list[x509.Certificate], days: int, advice: str
) -> Measure:
    left = (min(one.not_valid_after_utc for one in certificates) - repo.clock()) / DAY
    state = "well" if left >= days else "act"
    said = f"the first ends in {left:.0f} days" if left >= 0 else f"ended {-left:.0f} days ago"
    return Measure(name, state, said, round(left, 2), "days", advice)


def _count(found: int | None) -> int:
    return found or 0


def _ago(age: timedelta) -> str:
    if age >= 2 * DAY:
        return f"{age / DAY:.0f} days"
    if age >= 2 * HOUR:
        return f"{age / HOUR:.0f} hours"
    return f"{max(0, age / MINUTE):.0f} minutes"

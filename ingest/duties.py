"""Duties: what waits in our tables, and what does it. The truth is there; workers only act on it.

A duty finds what waits, longest first, and does some of it. Doing it twice does it once: every
function here looks at the tables again before it changes anything.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.entry import Act, Draft
from custody.errors import LedgerUnavailable, SignerUnavailable
from ingest import completion, letters, matchable, pieces, uploads
from ingest.errors import LibmagicMissing, SandboxUnavailable
from ingest.finish import finish, waiting
from ingest.workflows import Processors, give_up
from repository import (
    Repository,
    chores,
    copies,
    erasure,
    fixity,
    rewrapping,
    setbacks,
    terms,
    upkeep,
)
from repository.errors import DiskFull, KeyUnavailable, StoreFull, StoreUnavailable, StoreUnfit
from repository.exhibits import unprocessed
from repository.exports import bundles
from repository.matching import index
from repository.models import Exhibit, Upload
from repository.naming import recorded_name
from repository.people import SYSTEM
from repository.search import index as search_index
from repository.upkeep import HOUR, MINUTE, Chore, Say

# Nothing of a duty can be done while one of these lasts; everything else is about one thing.
AWAY = (
    StoreUnavailable, StoreFull, StoreUnfit, KeyUnavailable, LedgerUnavailable, SignerUnavailable,
    SandboxUnavailable, LibmagicMissing, DiskFull, OSError, MemoryError,
)  # fmt: skip

_ARRIVED = ("arrived", "closing")
_MANY = 100
_HASTE = timedelta(seconds=10)  # what is due more often is looked for at every turn

QUEUES: Mapping[str, tuple[int, float]] = {
    "look": (4, 0.25),
    "finish": (4, 0.25),
    "keep": (4, 1.0),
    "chore": (16, 1.0),
}
"""The queues: how many workflows one worker has in hand, and how often it looks for more (s)."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits, and the state it waits in: later it may wait again, in another."""

    id: str
    mark: str = ""


Find = Callable[[int], list[Waiting]]
Do = Callable[[Sequence[str]], Mapping[str, str]]
GiveUp = Callable[[Session, str, str], None]


@dataclass(frozen=True, slots=True)
class Duty:
    """A kind of work: `find` what waits, `do` some of it and return what was not done, and why.

    `together`: how many things at most in one workflow. `give_up`: what puts on record, after
    `TRIES`, that a thing cannot be done; without it, it is tried again for ever, in long pauses.
    `haste`: it is looked for at every turn, not now and then.
    """

    name: str
    queue: str
    find: Find
    do: Do
    together: int = 1
    give_up: GiveUp | None = None
    said: str = ""  # what a worker says it did: "looked at"
    haste: bool = False


TRIES = 3  # of one thing, each in a workflow of its own, before it is given up


def duties(repo: Repository, processors: Processors, say: Say) -> list[Duty]:
    """Return the duties of a worker, in the order of their haste."""
    found = [
        Duty(
            "finish",
            "finish",
            lambda limit: _plain(waiting(repo, limit=limit)),
            lambda ids: _finish(repo, ids),
            give_up=partial(_give_up_upload, repo),
            said="finished uploads:",
            haste=True,
        ),
        Duty(
            "look",
            "look",
            lambda limit: _unprocessed(repo, limit),
            lambda ids: _look(processors, ids),
            together=64,
            give_up=partial(give_up, repo),
            said="looked at exhibits:",
            haste=True,
        ),
        Duty(
            "match",
            "keep",
            lambda limit: _plain(index.waiting(repo, limit=limit)),
            lambda ids: matchable.make(repo, ids),
            together=matchable.TOGETHER,
            said="made tokens of exhibits:",
        ),
        Duty(
            "index",
            "keep",
            lambda limit: _plain(search_index.waiting(repo, limit=limit)),
            lambda ids: search_index.make(repo, ids),
            together=search_index.TOGETHER,
            said="indexed exhibits:",
            haste=True,
        ),
        Duty(
            "rewrap",
            "keep",
            lambda limit: _plain(rewrapping.waiting(repo, limit=limit)),
            lambda ids: _rewrap(repo, ids),
            together=rewrapping.TOGETHER,
            said="wrapped anew, data keys:",
        ),
        Duty(
            "copy",
            "keep",
            lambda limit: _plain(copies.without_copy(repo, limit=limit)),
            lambda ids: copies.copy_exhibits(repo, ids),
            together=16,
            said="copied exhibits:",
        ),
        Duty(
            "check",
            "keep",
            lambda limit: _overdue(repo, limit),
            lambda ids: _check(repo, say, ids),
            together=16,
            said="read exhibits again:",
        ),
        Duty(
            "lock",
            "keep",
            lambda limit: _lapsing(repo, limit),
            lambda ids: _lock(repo, ids),
            together=64,
            said="renewed locks of exhibits:",
        ),
        Duty(
            "erase",
            "keep",
            lambda _: _plain([row.id for row in erasure.approved(repo)]),
            lambda ids: _erase(repo, ids),
            said="erased exhibits:",
        ),
    ]
    found.append(
        Duty(
            "export",
            "keep",
            lambda limit: _plain(bundles.waiting(repo, limit=limit)),
            lambda ids: _export(repo, ids),
            give_up=lambda session, one, why: bundles.give_up(session, repo, one, why),
            said="made exports:",
            haste=True,
        )
    )
    chores = [
        Chore("bundles", HOUR, lambda repo, _: bundles.expire(repo)),
        Chore("expire", 10 * MINUTE, lambda repo, _: _expire(repo)),
        Chore("sweep", HOUR, lambda repo, _: _sweep(repo)),
        Chore("letters", 10 * MINUTE, letters.post, letters.waiting),
    ]
    return [*found, *(chore_duty(repo, one, say) for one in (*upkeep.chores(repo), *chores))]


def chore_duty(repo: Repository, chore: Chore, say: Say) -> Duty:
    """Return a chore as a duty with one thing: itself, waiting since it was done last."""

    def find(_: int) -> list[Waiting]:
        last = chores.last_done(repo, chore.name)
        if chores.is_due(last, repo.clock(), chore.every) and chore.wanted(repo):
            return [Waiting(chore.name, last.isoformat() if last else "")]
        return []

    def do(_: Sequence[str]) -> Mapping[str, str]:
        chore.do(repo, say)
        chores.done(repo, chore.name)
        return {}

    return Duty(chore.name, "chore", find, do, haste=chore.every < _HASTE)


def counts(repo: Repository) -> dict[str, int]:
    """Return how much waits: by duty, and what was put off or given up of all."""
    with repo.database.reading() as session:
        look = select(func.count()).select_from(Exhibit).where(Exhibit.processed_at.is_(None))
        ready = select(func.count()).select_from(Upload).where(Upload.state.in_(_ARRIVED))
        found = {"finish": session.scalar(ready) or 0, "look": session.scalar(look) or 0}
    found["copy"] = copies.uncopied(repo)
    found["erase"] = len(erasure.approved(repo))
    held = setbacks.counts(repo).values()
    found["put_off"] = sum(later for later, _ in held)
    found["given_up"] = sum(never for _, never in held)
    return found


def _finish(repo: Repository, ids: Sequence[str]) -> Mapping[str, str]:
    for upload_id in ids:
        finish(repo, upload_id)
    return {}


def _give_up_upload(repo: Repository, session: Session, upload_id: str, reason: str) -> None:
    """Put on record that an upload cannot be finished; its bytes stay where they are."""
    upload = session.get_one(Upload, upload_id, with_for_update={"key_share": True})
    if upload.state not in _ARRIVED:
        return  # somebody could
    draft = Draft(
        Act.UPLOAD_ABANDONED,
        SYSTEM,
        "error",
        reason="not-finished",
        withheld={
            "name": recorded_name(upload.path),
            "detail": {"upload": upload.id, "error": reason},
        },
        subject=upload.case_id,
    )
    repo.ledger.append(session, [draft])


def _expire(repo: Repository) -> None:
    """Give up uploads and submissions that nobody went on with."""
    while uploads.expire(repo, most=_MANY) == _MANY:
        continue
    while len(completion.expire(repo, most=_MANY)) == _MANY:
        continue


def _sweep(repo: Repository) -> None:
    """Remove staged bytes that no upload names any more."""
    while pieces.sweep(repo, most=_MANY) == _MANY:
        continue


def _plain(ids: Sequence[str]) -> list[Waiting]:
    return [Waiting(one) for one in ids]


def _unprocessed(repo: Repository, limit: int) -> list[Waiting]:
    with repo.database.reading() as session:
        return _plain(list(unprocessed(session, limit=limit)))


def _look(processors: Processors, ids: Sequence[str]) -> Mapping[str, str]:
    for _ in processors.map(ids):
        continue
    return {}


def _overdue(repo: Repository, limit: int) -> list[Waiting]:
    return _marked(repo, fixity.overdue(repo, limit=limit), lambda one: one.checked_at)


def _lapsing(repo: Repository, limit: int) -> list[Waiting]:
    return _marked(repo, terms.lapsing(repo, limit=limit), lambda one: one.locked_until)


def _lock(repo: Repository, ids: Sequence[str]) -> Mapping[str, str]:
    terms.renew_exhibits(repo, ids)
    return {}


def _export(repo: Repository, ids: Sequence[str]) -> Mapping[str, str]:
    for one in ids:
        bundles.make(repo, one)
    return {}


def _rewrap(repo: Repository, ids: Sequence[str]) -> Mapping[str, str]:
    rewrapping.rewrap(repo, ids)
    return {}


def _erase(repo: Repository, ids: Sequence[str]) -> Mapping[str, str]:
    erasure.finish_all(repo, ids)
    return {}


def _marked(
    repo: Repository, ids: Sequence[str], mark: Callable[[Exhibit], object]
) -> list[Waiting]:
    with repo.database.reading() as session:
        found = session.scalars(select(Exhibit).where(Exhibit.id.in_(ids)))
        marks = {one.id: str(mark(one)) for one in found}
    return [Waiting(one, marks[one]) for one in ids]


def _check(repo: Repository, say: Say, ids: Sequence[str]) -> Mapping[str, str]:
    """Read exhibits again; one that could not be read whole keeps its place in the line."""
    left = {}
    for exhibit_id, found in zip(ids, fixity.check_exhibits(repo, ids), strict=True):
        if found.outcome != "pass":
            say(f"{found.subject}: {found.detail}")
        if found.outcome == "not-done":
            left[exhibit_id] = found.detail
    return left

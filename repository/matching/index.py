"""The tokens of exhibits: which are to be made, making them, and finding exhibits by them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import Session

from repository import Repository, facts
from repository.agreed import Consent
from repository.conditions import Marking
from repository.matching.key import Key, current_id
from repository.matching.parties import HOUSE, OWNED_BY, active, forget
from repository.matching.tables import MatchItem, MatchKey, MatchState, MatchToken
from repository.matching.values import VERIFIED, Value, alike, asked, kept
from repository.models import Case, ChildExhibit, Exhibit

_CHUNK = 500  # tokens asked for in one question
MOST = 1_000  # exhibits that one value finds; who has more is found by other means
_NONCE = 12
AGAIN = "again"  # as a state: there are tokens, and they are to be compared once more


@dataclass(frozen=True, slots=True)
class Holding:
    """An exhibit as matching sees it: whose it is, its markings, and what its owners agreed to."""

    exhibit: Exhibit
    organisation: str
    markings: tuple[Marking, ...]
    consents: tuple[Consent, ...]  # of its owners, in force or not
    privileged: bool  # it may be, or a member of it: it is not used, and a match is a use


@dataclass(slots=True)
class Made:
    """What was made of one exhibit: the values that it had no tokens of before; `again`, all."""

    exhibit_id: str
    fresh: list[Value] = field(default_factory=list)
    again: bool = False


# --- which are to be made


def expect(session: Session, exhibits: Sequence[str]) -> None:
    """Note, in the caller's transaction, that tokens of exhibits are to be made, or made anew."""
    known = {
        row.exhibit_id: row
        for row in session.scalars(select(MatchState).where(MatchState.exhibit_id.in_(exhibits)))
    }
    for exhibit_id in exhibits:
        if exhibit_id in known:
            if known[exhibit_id].key_id != AGAIN:
                known[exhibit_id].key_id = ""
        else:
            session.add(MatchState(exhibit_id=exhibit_id, key_id=""))


def compare_again(session: Session, subjects: Sequence[str]) -> None:
    """Note, in the caller's transaction, that exhibits may be told of to more than before.

    `subjects` are cases, submissions and exhibits; what was taken out of these is meant too. Those
    without tokens are new, and are compared anyhow. To be called before an entry is appended: who
    makes tokens has locked their rows when they take the ledger's lock.
    """
    family = (
        select(Exhibit.id)
        .where(
            or_(
                Exhibit.id.in_(subjects), Exhibit.submission_id.in_(subjects),
                Exhibit.case_id.in_(subjects),
            )
        )
        .cte("family", recursive=True)
    )  # fmt: skip
    children = select(ChildExhibit.exhibit_id).join(family, ChildExhibit.parent_id == family.c.id)
    family = family.union(children)
    known = MatchState.key_id != "", MatchState.exhibit_id.in_(select(family.c.id))
    rows = select(MatchState.exhibit_id).where(*known).order_by(MatchState.exhibit_id)
    session.execute(
        rows.with_for_update(key_share=True, of=MatchState)
    ).all()  # in the order of `lock_waiting`
    again = update(MatchState).where(*known).values(key_id=AGAIN)
    session.execute(again.execution_options(synchronize_session=False))


def waiting(repo: Repository, *, limit: int, among: Sequence[str] | None = None) -> list[str]:
    """Return exhibits whose tokens are to be made: theirs take part, and the key is another."""
    with repo.database.reading() as session:
        current = current_id(session)
        taking_part = list(active(session)) if current else []
        if not current or not taking_part:
            return []
        query = (
            select(MatchState.exhibit_id)
            .join(Exhibit, Exhibit.id == MatchState.exhibit_id)
            .join(Case, Case.id == Exhibit.case_id)
            .where(
                or_(MatchState.key_id < current, MatchState.key_id > current),
                OWNED_BY.in_(taking_part),
                Exhibit.erased_at.is_(None),
            )
            .limit(limit)
        )
        if among is not None:
            query = query.where(MatchState.exhibit_id.in_(among))
        return list(session.scalars(query))


def lock_waiting(session: Session, exhibits: Iterable[str], current: str) -> dict[str, bool]:
    """Return which of the exhibits still wait, and whether they are to be compared once more.

    No other process makes theirs meanwhile.
    """
    query = (
        select(MatchState)
        .join(Exhibit, Exhibit.id == MatchState.exhibit_id)
        .join(Case, Case.id == Exhibit.case_id)
        .where(
            MatchState.exhibit_id.in_(list(exhibits)),
            MatchState.key_id != current,
            OWNED_BY.in_(list(active(session))),
            Exhibit.erased_at.is_(None),
        )
        .order_by(MatchState.exhibit_id)
        .with_for_update(key_share=True, of=MatchState)
    )
    rows = list(session.scalars(query))
    found = {row.exhibit_id: row.key_id == AGAIN for row in rows}
    for row in rows:
        row.key_id = current
    return found


# --- making them


def make(
    repo: Repository, session: Session, keys: Sequence[Key], exhibit_id: str, values: list[Value],
    *, again: bool = False,
) -> Made:  # fmt: skip
    """Replace the tokens of an exhibit by those of its values, in the caller's transaction.

    `again`: all of them are to be compared with others', not only what it had no tokens of.
    """
    new = keys[0]
    had = _had(session, exhibit_id)
    earlier = {key.id: key for key in keys}
    made = Made(exhibit_id, again=again)
    for value in values:
        if again or not any(
            set(kept(earlier[name].tokens, value)) <= tokens for name, tokens in had.items()
        ):
            made.fresh.append(value)
    forget(session, [exhibit_id])
    items, rows = [], []
    plain = [value for value in values if value.kind not in VERIFIED]
    for group in ([plain] if plain else []) + [[v] for v in values if v.kind in VERIFIED]:
        item = int.from_bytes(repo.random(8)) >> 1
        verified = group[0].kind in VERIFIED
        sealed = new.seal(item, group[0], repo.random(_NONCE)) if verified else None
        items.append({"id": item, "exhibit_id": exhibit_id, "key_id": new.id, "sealed": sealed})
        tokens = {one for value in group for one in kept(new.tokens, value)}
        rows += [{"token": one, "item": item} for one in sorted(tokens)]
    if items:
        session.execute(insert(MatchItem), items)
        session.execute(insert(MatchToken), rows)
    return made


def _had(session: Session, exhibit_id: str) -> dict[str, set[bytes]]:
    """Return the tokens that an exhibit has by now, by their key."""
    query = (
        select(MatchItem.key_id, MatchToken.token)
        .join(MatchToken, MatchToken.item == MatchItem.id)
        .where(MatchItem.exhibit_id == exhibit_id)
    )
    found: dict[str, set[bytes]] = {}
    for key_id, token in session.execute(query):
        found.setdefault(key_id, set()).add(bytes(token))
    return found


def end_old_keys(repo: Repository) -> int:
    """Destroy keys under which no token is left; return how many."""
    with repo.database.reading() as session:
        current = current_id(session)
        old = select(MatchKey.id).where(MatchKey.id < (current or ""))
        if not session.scalar(old.limit(1)):
            return 0
    with repo.database.writing() as session:
        used = select(MatchItem.id).where(MatchItem.key_id == MatchKey.id)
        gone = session.execute(
            delete(MatchKey).where(MatchKey.id < (current or ""), ~used.exists())
        )
        count = int(gone.rowcount)  # type: ignore[attr-defined]  # of a DELETE there is one
    if count:
        repo.database.overwrite_log()
    return count


# --- finding


def find(session: Session, keys: Sequence[Key], value: Value) -> list[str]:
    """Return the ids of exhibits that match a value: at most `MOST`, in the order of their ids."""
    known = {key.id: key for key in keys}
    tokens = [one for key in keys for one in asked(key.tokens, value)]
    query = (
        select(MatchItem.id, MatchItem.exhibit_id, MatchItem.key_id, MatchItem.sealed)
        .join(MatchToken, MatchToken.item == MatchItem.id)
    )  # fmt: skip
    found: set[str] = set()
    seen: set[int] = set()
    for start in range(0, len(tokens), _CHUNK):
        some = query.where(MatchToken.token.in_(tokens[start : start + _CHUNK]))
        if value.kind not in VERIFIED:
            some = some.limit(MOST)
        for row in session.execute(some):
            if row.exhibit_id in found or row.id in seen:
                continue
            seen.add(row.id)
            kept_there = row.sealed and known[row.key_id].unseal(row.id, bytes(row.sealed))
            if kept_there is None or alike(value, kept_there):
                found.add(row.exhibit_id)
    return sorted(found)[:MOST]


def holdings(session: Session, exhibits: Sequence[str]) -> list[Holding]:
    """Return exhibits with whose they are and all their markings; a few questions for all."""
    found: list[tuple[Exhibit, str | None]] = []
    for start in range(0, len(exhibits), _CHUNK):
        some = exhibits[start : start + _CHUNK]
        query = (
            select(Exhibit, Case.organisation)
            .join(Case, Case.id == Exhibit.case_id)
            .where(Exhibit.id.in_(some), Exhibit.erased_at.is_(None))
        )
        found += [(exhibit, organisation) for exhibit, organisation in session.execute(query)]
    lines = facts.lines(session, [exhibit.id for exhibit, _ in found])
    subjects = {
        exhibit.id: (exhibit.case_id, exhibit.submission_id, exhibit.id, *lines[exhibit.id])
        for exhibit, _ in found
    }
    closed = facts.closed_in(session, lines)
    named = sorted({one for line in subjects.values() for one in line})
    marked = facts.markings(session, named)
    owned = any(one.owner for one in marked.values())
    consents = facts.consents(session, named) if owned else {}
    return [
        Holding(
            exhibit,
            organisation or HOUSE,
            tuple(marked[one] for one in subjects[exhibit.id] if one in marked),
            tuple(one for subject in subjects[exhibit.id] for one in consents.get(subject, ())),
            exhibit.id in closed,
        )
        for exhibit, organisation in found
    ]

"""Another key-encryption key: made, brought into use by two persons, and everything wrapped by it.

Data keys stay what they are, so that no stored byte of evidence changes: each is opened with the
key that wrapped it and wrapped by the one in use, first in the database, then in every store, where
the old form is destroyed once the new one stands. Until then either form opens, and nobody who
reads notices (docs/decisions/0063).
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft
from repository import Repository, keys
from repository.chores import BACKUP, last_done
from repository.errors import BadRequest, KeyUnavailable, NoSuchObject
from repository.keyring import Rewrapped, Wrapped, WrappingKey, file_of, later_keys, used
from repository.models import DataKey, Intake
from repository.moving import last_move
from repository.people import SYSTEM
from repository.rules import Approval
from repository.stores import ObjectStore, Order
from repository.wrapping import KeyWrapper, create_wrapper, open_wrapper
from repository.write_once import sync_folder

TOGETHER = 64  # data keys in one transaction
CHANGED = "wrapping-key-changed"  # the reasons of the entries
REWRAPPED = "data-keys-rewrapped"
REPLACED = "wrapping-key-replaced"


@dataclass(frozen=True, slots=True)
class Known:
    """A key-encryption key of the house, and how many data keys it wraps."""

    id: str
    uri: str | None
    state: str  # in-use, former, waiting
    data_keys: int


def make(repo: Repository, uri: str | None) -> WrappingKey:
    """Make a key that is not in use yet, and note it, so that backups carry it.

    Args:
        repo: the repository.
        uri: `pkcs11:…`, where it is made if it is not there; None: a file among the keys.

    Raises:
        BadRequest: another scheme, a key of this house, or not now: see `_check`.
        KeyUnavailable: it cannot be made.
    """
    if uri is not None and not uri.startswith("pkcs11:"):
        raise BadRequest("name a key in a module (pkcs11:…), or none for a file among the keys")
    with repo.database.reading() as session:
        _check(session)
    made = _in_module(repo, uri) if uri is not None else _in_file(repo)
    row = WrappingKey(id=made.id, uri=uri, made_at=repo.clock())
    with repo.database.writing() as session:
        wraps = session.scalar(select(DataKey.kek).where(DataKey.kek == row.id).limit(1))
        known_ids = (wraps, repo.kek.current(session).id)
        if row.id in known_ids or session.get(WrappingKey, row.id) is not None:
            raise BadRequest(f"{row.id} is a key of this house already; name another")
        session.add(row)
    return row


def use(repo: Repository, session: Session, actor: Actor, kek: str, approval: Approval) -> None:
    """Bring a key into use, in the transaction of the second person's decision.

    Raises:
        BadRequest: no backup was made since the key was; or not now.
        KeyUnavailable: this machine cannot open it.
    """
    row = session.get_one(WrappingKey, kek)
    if row.entry is not None:
        raise BadRequest(f"the key-encryption key {kek} came into use before")
    _check(session)
    backup = last_done(repo, BACKUP)
    if row.uri is None and (backup is None or backup < row.made_at):
        raise BadRequest(
            f"the key-encryption key {kek} is in no backup yet, and without it nothing that it "
            "wraps would open: evidence backup --out DIR, then decide"
        )
    before = repo.kek.current(session).id
    repo.kek.opened(row.id, row.uri)
    draft = Draft(
        Act.CONFIGURATION_CHANGE,
        actor,
        reason=CHANGED,
        withheld={"detail": {"from": before, "to": kek, "approval": approval.id}},
    )
    [entry] = repo.ledger.append(session, [draft])
    row.entry, row.used_at, row.approval = entry.index, repo.clock(), approval.id
    session.flush()
    if not _left(session, kek):
        row.finished_at = row.used_at


def waiting(repo: Repository, *, limit: int) -> list[str]:
    """Return whose data keys are not yet wrapped by the key in use, or not yet in every store."""
    with repo.database.reading() as session:
        row = used(session)
        if row is None or row.finished_at is not None:
            return []
        others = select(DataKey.subject).where(_by_another(row.id)).limit(limit)
        found = list(session.scalars(others))
        if len(found) < limit:
            # What is on its way in may still come with the form of before; then it is followed.
            coming = select(Intake.exhibit_id).where(
                Intake.exhibit_id == Rewrapped.subject, Intake.state == "open"
            )
            query = select(Rewrapped.subject).where(
                Rewrapped.followed_at.is_(None), ~coming.exists()
            )
            found += session.scalars(query.distinct().limit(limit - len(found)))
        if not found and not _left(session, row.id):
            return [keys.HOUSE]  # once more: it was broken off at its end
    return list(dict.fromkeys(found))


def unfinished(repo: Repository) -> int | None:
    """Return how many data keys wait to be wrapped by the key in use; None: it is all done."""
    with repo.database.reading() as session:
        row = used(session)
        if row is None or row.finished_at is not None:
            return None
        return _left(session, row.id)


def refuse_while_wrapping(repo: Repository) -> None:
    """Refuse what may not be done while data keys are wrapped anew.

    Raises:
        BadRequest: they are.
    """
    left = unfinished(repo)
    if left is not None:
        raise BadRequest(f"{left} data keys are to be wrapped anew; do that: evidence kek rewrap")


def known(repo: Repository) -> list[Known]:
    """Return every key-encryption key of the house, the one in use first."""
    with repo.database.reading() as session:
        counted = select(DataKey.kek, func.count()).group_by(DataKey.kek)
        counts = {str(kek): int(count) for kek, count in session.execute(counted)}
        rows = later_keys(session)
        current = used(session)
    found = [
        Known(
            row.id,
            row.uri and row.uri.partition("?")[0],
            "waiting" if row.entry is None else "in-use" if row is current else "former",
            counts.pop(row.id, 0),
        )
        for row in rows
    ]
    with suppress(KeyUnavailable):  # a former key need not be on every machine
        counts.setdefault(repo.kek.first().id, 0)
    state = "in-use" if current is None else "former"
    found += [Known(kek, None, state, count) for kek, count in counts.items()]
    return sorted(found, key=lambda one: ("in-use", "waiting", "former").index(one.state))


def rewrap(repo: Repository, subjects: Sequence[str]) -> None:
    """Wrap data keys by the key in use, in the database and then in every store.

    Doing it again does nothing again.

    Args:
        repo: the repository.
        subjects: whose; at most `TOGETHER`.

    Raises:
        KeyUnavailable: this machine has not the key that wrapped one.
        StoreUnavailable: a store does not answer; what waits goes on later.
    """
    with repo.database.writing() as session:
        _in_database(repo, session, subjects)
    order = _order(repo)
    for subject in subjects:
        _in_stores(repo, subject, order)
    _finish(repo)


def _in_database(repo: Repository, session: Session, subjects: Sequence[str]) -> None:
    current = repo.kek.current(session)
    query = select(DataKey).where(DataKey.subject.in_(subjects), DataKey.kek != current.id)
    rows = list(session.scalars(query.order_by(DataKey.subject).with_for_update(key_share=True)))
    if not rows:
        return
    digests = {}
    for row in rows:
        old = Wrapped(row.kek, bytes(row.wrapped))
        digests[sha256(old.wrapped).hexdigest()] = row.subject
        row.kek, row.wrapped = current.id, current.wrap(repo.kek.unwrap(old))
    session.flush()
    draft = Draft(
        Act.CONFIGURATION_CHANGE,
        SYSTEM,
        reason=REWRAPPED,
        plain={"count": len(rows), "inputs": [list_digest(digests)]},
        withheld={"detail": {"to": current.id}},
    )
    [entry] = repo.ledger.append(session, [draft])
    at = repo.clock()
    session.add_all(
        Rewrapped(wrapped_sha256=digest, subject=subject, at=at, entry=entry.index)
        for digest, subject in digests.items()
    )


def list_digest(digests: dict[str, str]) -> str:
    """Return the digest of a list of replaced forms: by their digests, and whose they are."""
    lines = sorted(f"{digest} {subject}\n" for digest, subject in digests.items())
    return f"sha256:{sha256(''.join(lines).encode()).hexdigest()}"


def _in_stores(repo: Repository, subject: str, order: Order) -> None:
    """Let every store that keeps a form of the key keep the one of the database alone."""
    for store in repo.stores.values():
        _in_store(repo, store, subject, order)
    with repo.database.writing() as session:
        coming = select(Intake.exhibit_id).where(
            Intake.exhibit_id == subject, Intake.state == "open"
        )
        if session.scalar(coming.limit(1)) is not None:
            return
        query = select(Rewrapped).where(
            Rewrapped.subject == subject, Rewrapped.followed_at.is_(None)
        )
        for row in session.scalars(query):
            row.followed_at = repo.clock()


def _in_store(repo: Repository, store: ObjectStore, subject: str, order: Order) -> None:
    forms = list(keys.stored_forms(repo, store, subject))
    with repo.database.reading() as session:
        row = session.get(DataKey, subject)
    if row is None or not forms:
        keys.destroy_if_ordered(repo, store, subject)
        return  # or not there yet: whoever stores it writes the form of the database
    name = keys.keep_second_still(repo, store, subject, Wrapped(row.kek, bytes(row.wrapped)))
    for form in forms:
        if form.key != name:
            with suppress(NoSuchObject):
                store.destroy(form, order)


def _order(repo: Repository) -> Order:
    """Return the order by which old forms go: the request for the key in use, and who agreed."""
    with repo.database.reading() as session:
        row = used(session)
        if row is None or row.approval is None:
            raise BadRequest("no later key is in use: there is nothing to wrap anew")
        approval = session.get_one(Approval, row.approval)
    asked = repo.ledger.entry(approval.index)
    document = f"sha256:{sha256(asked.body).hexdigest()}"
    return Order(document, approval.requested_by, approval.decided_by or "")


def _finish(repo: Repository) -> None:
    """Put on record that the key in use wraps everything, if it does."""
    with repo.database.writing() as session:
        row = used(session)
        if row is None or row.finished_at is not None or _left(session, row.id):
            return
        row.finished_at = repo.clock()
        session.flush()
        count = session.scalar(select(func.count()).select_from(DataKey)) or 0
        draft = Draft(
            Act.CONFIGURATION_CHANGE,
            SYSTEM,
            reason=REPLACED,
            plain={"count": count},
            withheld={"detail": {"to": row.id}},
        )
        repo.ledger.append(session, [draft])
    repo.database.overwrite_log()


def _left(session: Session, kek: str) -> int:
    others = select(func.count()).select_from(DataKey).where(_by_another(kek))
    stored = select(func.count()).where(Rewrapped.followed_at.is_(None))
    return (session.scalar(others) or 0) + (session.scalar(stored) or 0)


def _by_another(kek: str) -> ColumnElement[bool]:
    return or_(DataKey.kek < kek, DataKey.kek > kek)  # as ranges: both databases have an index


def _check(session: Session) -> None:
    """Refuse a change of keys while another one, or a move of the store, is under way."""
    row = used(session)
    if row is not None and row.finished_at is None:
        raise BadRequest(f"not everything is wrapped by {row.id} yet: evidence kek rewrap")
    move = last_move(session)
    if move is not None and move.finished_at is None:
        raise BadRequest(
            f"the store is being moved to {move.target}; end that first: "
            f"evidence store move --to {move.target}"
        )


def _in_module(repo: Repository, uri: str) -> KeyWrapper:
    passphrase = repo.kek.passphrase
    with suppress(KeyUnavailable):
        return open_wrapper(uri, passphrase=passphrase)
    return create_wrapper(uri, passphrase=passphrase)


def _in_file(repo: Repository) -> KeyWrapper:
    folder = repo.settings.data / "keys"
    fresh = folder / f".new-{os.urandom(8).hex()}.json"
    made = create_wrapper(fresh.as_uri(), passphrase=repo.kek.passphrase)
    fresh.rename(file_of(folder, made.id))
    sync_folder(folder)
    return made

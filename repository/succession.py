"""Begin a successor ledger, by two persons, where entries that were given out cannot be rebuilt."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from custody.checkpoint import Checkpoint
from custody.entry import Act, Actor, CustodyEntry, Draft, timestamp, uuid7
from custody.errors import CustodyError
from custody.heads import last_head, note_with_lines
from custody.note import Note
from custody.signers import file as file_signer
from custody.succession import Gap, gaps
from custody.succession import begin as succeed
from repository import Repository, default_key, passphrase_file
from repository.access import Right
from repository.authorise import Caller, on_house
from repository.errors import BadRequest
from repository.outside import Shown, beyond
from repository.rules import HOUSE, Approval
from repository.stated import stated_motive

UNRECORDED = -1  # the index of what was asked for while nothing could be recorded
MOST_QUOTED = 4  # of what is known outside, the largest first: an entry has its limit


def request(repo: Repository, caller: Caller, known: Sequence[Shown], *, motive: str) -> Approval:
    """Ask that a successor ledger go on, as entries that were given out cannot be rebuilt.

    Nothing can be recorded of it until then: the successor's first entry says who asked, and why.

    Args:
        repo: the repository.
        caller: the first person.
        known: what is known outside (`outside.look`).
        motive: why.

    Raises:
        AccessDenied: no custodian.
        BadRequest: no motive, or nothing is known outside beyond the ledger.
        LedgerBehind: a refusal could not be recorded.
    """
    actor = on_house(repo, caller, Right.GOVERN, attempted=Act.KEY_ROTATION)
    stated_motive(repo, caller, motive, Act.KEY_ROTATION)
    at = repo.clock()
    row = Approval(
        id=f"APR-{uuid7(at, repo.random)}",
        act=str(Act.KEY_ROTATION),
        subject=HOUSE,
        asked={"succession": wanted(repo, known), "motive": motive},
        requested_by=actor.id,
        requested_at=at,
        state="requested",
        index=UNRECORDED,
    )
    with repo.database.writing() as session:
        session.add(row)
    return row


def wanted(repo: Repository, shown: Sequence[Shown]) -> dict[str, Any]:
    """Return what a successor would say, from what is known outside.

    Raises:
        BadRequest: nothing is known beyond the ledger, or the ledger is empty.
    """
    size = repo.ledger.size()
    if not shown:
        raise BadRequest(
            f"nothing outside is known of more than the {size} entries that are here: no successor "
            "is needed. Give what shows more with --checkpoint FILE or --receipt FILE"
        )
    if not size:
        raise BadRequest("of this ledger nothing is left at all: restore a backup first")
    return {
        "origin": repo.ledger.origin,
        "size": size,
        "to": shown[0].size,
        "shown": [
            {"by": one.by, "size": one.size, "note": one.note} for one in shown[:MOST_QUOTED]
        ],
    }


def begin(
    repo: Repository,
    session: Session,
    actor: Actor,
    asked: dict[str, Any],
    *,
    requested: tuple[str, datetime],
    motive: str,
    then: Sequence[Draft],
) -> CustodyEntry:
    """Begin the successor inside the caller's transaction, as its last statements.

    Args:
        repo: the repository.
        session: the caller's.
        actor: the second person.
        asked: what `wanted` returned.
        requested: the first person, and when they asked.
        motive: theirs.
        then: what is recorded after the successor's first entry.

    Raises:
        BadRequest: the ledger, or what is known outside, is not what it was then.
    """
    size = last_head(session).size
    known = beyond(repo)
    if (size, repo.ledger.origin) != (asked["size"], asked["origin"]) or (
        not known or known[0].size != asked["to"]
    ):
        raise BadRequest("the ledger is not as it was when this was asked for: ask anew")
    passphrase = passphrase_file(repo.settings).read_bytes().strip()
    name = f"{repo.settings.origin}/successor-{size}"
    fresh = repo.settings.data / "keys" / f".new-{repo.random(8).hex()}.pem"
    key = file_signer.create(fresh, name=name, passphrase=passphrase).key
    fresh.rename(default_key(repo.settings, key))
    said = {
        **asked,
        "note": note_with_lines(session, size),
        "requested_by": requested[0],
        "requested_at": timestamp(requested[1]),
    }
    return succeed(repo.ledger, session, actor, key, succession=said, motive=motive, then=then)


def named_gaps(repo: Repository) -> list[Gap]:
    """Return what the ledger says is lost."""
    with repo.database.reading() as session:
        return gaps(session)


def lost_with(repo: Repository, note: str) -> Gap | None:
    """Return the gap in which a checkpoint lies, if it is of a ledger before and in one."""
    try:
        point = Checkpoint.parse_text(Note.parse(note).text)
    except CustodyError:
        return None
    return next(
        (one for one in named_gaps(repo)
         if one.origin == point.origin and one.start < point.size <= one.end),
        None,
    )  # fmt: skip

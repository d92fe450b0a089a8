"""What an access states: its purpose, and a grave act its motive; without it, refused on record."""

from collections.abc import Sequence
from dataclasses import replace

from custody.entry import Act, Actor
from repository import Repository
from repository.authorise import Caller, refuse
from repository.errors import BadRequest, PurposeRequired, PurposeTooLong
from repository.models import Case, Exhibit
from repository.purpose import Purpose, parse
from repository.rules import Organisation

MAX_MOTIVE = 2_000


def stated_purpose(
    repo: Repository,
    caller: Caller,
    stated: str | None,
    attempted: Act,
    *,
    authority: str | None = None,
    assured: Sequence[str] = (),
    recipient: str | None = None,
) -> Purpose:
    """Return the purpose of an access and on what it rests, or record the refusal.

    Raises:
        PurposeRequired, PurposeTooLong, BadRequest: no usable purpose; recorded.
    """
    try:
        found = parse(stated, authority=authority, assured=assured)
    except (PurposeRequired, PurposeTooLong, BadRequest) as error:
        refuse(repo, caller, attempted, [error.code], error)
    return for_recipient(repo, found, recipient)


def for_recipient(repo: Repository, purpose: Purpose, recipient: str | None) -> Purpose:
    """Return a purpose with its recipient, the uses on record there, and whether it left."""
    if recipient is None:
        return purpose
    with repo.database.reading() as session:
        known = session.get(Organisation, recipient)
    uses = tuple(known.uses or ()) if known is not None else ()
    left = known is not None and known.ended_at is not None
    return replace(purpose, recipient=recipient, practised=uses, left=left)


def stated_motive(
    repo: Repository,
    caller: Caller | Actor,
    motive: str,
    attempted: Act,
    *,
    case: Case | None = None,
    exhibit: Exhibit | None = None,
) -> None:
    """Refuse an act without a reason in words; asked after it is known that the caller may.

    Raises:
        BadRequest: none, or one that is too long; recorded.
    """
    if not motive.strip() or len(motive) > MAX_MOTIVE:
        error = BadRequest(f"state a motive of 1 to {MAX_MOTIVE} characters")
        refuse(repo, caller, attempted, ["motive-required"], error, case=case, exhibit=exhibit)

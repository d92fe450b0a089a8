"""Things that another process, working on the same submission, has registered meanwhile."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft
from ingest.staging import Received
from repository.models import Exhibit, Submission
from repository.naming import name_digest, recorded_name


def doubles_of(
    session: Session,
    submission: Submission,
    received: Sequence[Received],
    seen: Mapping[tuple[bytes, str], int],
) -> dict[str, Exhibit]:
    """Return, by the id that is not needed, the exhibits another process made of the same."""
    rows = session.scalars(
        select(Exhibit)
        .where(
            Exhibit.submission_id == submission.id,
            Exhibit.path_sha256.in_([name_digest(one.path) for one in received]),
        )
        .order_by(Exhibit.serial)
    )
    known: dict[tuple[bytes, str], list[Exhibit]] = {}
    for exhibit in rows:
        known.setdefault((exhibit.path, exhibit.sha256), []).append(exhibit)
    found = {}
    for one in received:
        same = known.get((one.path, one.sha256), [])
        turn = seen.get((one.path, one.sha256), 0)
        if turn < len(same) and not one.mismatches and same[turn].id != one.exhibit_id:
            found[one.exhibit_id] = same[turn]
    return found


def double_entry(actor: Actor, received: Received) -> list[Draft]:
    """Return the entries about bytes that were stored a second time and are not an exhibit."""
    return [
        Draft(
            Act.UPLOAD_ABANDONED,
            actor,
            reason="already-registered",
            plain={"location": part.stored.location(), "outputs": [part.digests["sha256"]]},
            withheld={"name": recorded_name(part.path)},
            subject=part.exhibit_id,
        )
        for part in received.parts
    ]

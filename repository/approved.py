"""What is done when a second person approves, in the transaction of the decision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft
from custody.keys import KeyState
from custody.note import VerifierKey
from repository import Repository, holds, identities, rewrapping
from repository.conditions import Marking
from repository.derivations import Derivation
from repository.errors import BadRequest
from repository.marking import Subject, put
from repository.models import Person
from repository.rules import Approval
from repository.rules import Marking as MarkingRow


@dataclass(frozen=True, slots=True)
class Approving:
    """What the effect of a decision works on."""

    repo: Repository
    session: Session
    actor: Actor
    row: Approval
    subject: Subject | None
    motive: str


def _permitted(job: Approving) -> None:
    """Note what is shown from now on; that it was shown is an entry when it is."""
    if job.row.act != Act.UNSEALING or job.subject is None:
        return
    asking = job.session.get_one(Person, job.row.requested_by)
    detail = {"approval": job.row.id, "for": asking.id, "hours": job.row.asked["hours"]}
    draft = Draft(
        Act.UNSEALING,
        job.actor,
        reason="for-a-time",
        exhibit=job.subject.ref,
        withheld={"case": job.subject.case.code, "motive": job.motive, "detail": detail},
        subject=None if job.subject.exhibit else job.subject.case.id,
    )
    job.repo.ledger.append(job.session, [draft])


def _loosened(job: Approving) -> None:
    assert job.subject is not None  # a marking is something's
    row = job.session.get(MarkingRow, job.subject.id, with_for_update={"key_share": True})
    old = Marking.from_json(row.marking) if row else Marking()
    if old != Marking.from_json(job.row.asked["from"]):
        raise BadRequest("the marking was changed since this was asked; it has to be asked anew")
    new = Marking.from_json(job.row.asked["to"])
    if job.row.asked.get("own"):
        job.session.get_one(Derivation, job.subject.id).own = True
    put(job.repo, job.session, job.actor, job.subject, old, new, motive=job.motive)


def _identity_erased(job: Approving) -> None:
    assert job.subject is not None
    identities.erase(
        job.repo, job.session, job.actor, job.subject.id, job.subject.case, motive=job.motive
    )


def _released(job: Approving) -> None:
    assert job.subject is not None  # a hold is on an exhibit
    hold = job.row.asked["hold"]
    holds.release(job.repo, job.session, job.actor, hold, job.subject.case, motive=job.motive)


def _compromised(job: Approving) -> None:
    key = VerifierKey.parse(job.row.asked["key"])
    job.repo.ledger.change_key_within(
        job.session, job.actor, key, KeyState.COMPROMISED, size=job.row.asked["size"]
    )


def _wrapping_key_used(job: Approving) -> None:
    rewrapping.use(job.repo, job.session, job.actor, job.row.asked["kek"], job.row)


EFFECTS: Mapping[Act, Callable[[Approving], None]] = {
    Act.UNSEALING: _permitted,
    Act.IDENTITY_REVEALED: _permitted,
    Act.ERASURE: _identity_erased,
    Act.HANDLING_CHANGE: _loosened,
    Act.HOLD_RELEASED: _released,
    Act.KEY_ROTATION: _compromised,
    Act.CONFIGURATION_CHANGE: _wrapping_key_used,
}

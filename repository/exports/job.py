"""What an export works on: who may have which exhibits, and the entries about each of its steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from custody.entry import Act, Actor, Draft
from repository import Repository
from repository.access import Marking, Right, decide
from repository.authorise import Caller, of_exhibits, on_exhibit, refuse, who
from repository.consult import known_exhibits
from repository.errors import UnknownExhibit
from repository.exhibits import find_exhibit, ref
from repository.marking import handling_of, strictest, told_with
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.purpose import Purpose


@dataclass(frozen=True, slots=True)
class Job:
    """What one export works on."""

    repo: Repository
    actor: Actor
    case: Case
    exhibits: list[Exhibit]
    purpose: Purpose
    recipient: str | None
    request_id: str
    at: str
    erased: list[str]
    # By exhibit: what restricts it, all that applies together; on the entries of its making.
    markings: Mapping[str, Marking] = field(default_factory=dict)

    @property
    def act(self) -> Act:
        """Return `disclosure` for the duty to the defence, else `dissemination`."""
        return Act.DISCLOSURE if self.purpose.code == "disclosure" else Act.DISSEMINATION


def chosen(repo: Repository, caller: Caller, case: Case, numbers: Sequence[str]) -> list[Exhibit]:
    """Return the exhibits of a case that are meant; none named: all that the caller knows of.

    Raises:
        UnknownExhibit: the case has none of this number; recorded.
    """
    with repo.database.reading() as session:
        if not numbers:
            return known_exhibits(repo, session, caller, case)
        found = [find_exhibit(session, number) for number in dict.fromkeys(numbers)]
    meant = []
    for number, exhibit in zip(dict.fromkeys(numbers), found, strict=True):
        if exhibit is None or exhibit.case_id != case.id:
            unknown = UnknownExhibit(f"case {case.code} has no exhibit {shown(number)}")
            refuse(
                repo, caller, Act.REPORT_GENERATED, ["unknown-exhibit"], unknown,
                asked=number, case=case,
            )  # fmt: skip
        meant.append(exhibit)
    return sorted(meant, key=lambda exhibit: exhibit.serial)


def released(
    repo: Repository, caller: Caller, case: Case, exhibits: Sequence[Exhibit], purpose: Purpose
) -> dict[str, Marking]:
    """Refuse an export as a whole if the rules keep one of its exhibits; that one is named.

    Return what restricts each of them all the same.

    Raises:
        UnknownExhibit, AccessDenied: one is not for this caller or purpose; recorded.
    """
    with repo.database.reading() as session:
        asking, now = who(session, caller, case), repo.clock()
        things = of_exhibits(session, caller, case, exhibits)
    for exhibit, thing in zip(exhibits, things, strict=True):
        if not decide(asking, Right.EXPORT, thing, purpose, now).allowed:
            on_exhibit(
                repo, caller, Right.EXPORT, exhibit.number,
                attempted=Act.REPORT_GENERATED, purpose=purpose,
            )  # fmt: skip
    pairs = zip(exhibits, things, strict=True)
    return {exhibit.id: strictest(thing.markings) for exhibit, thing in pairs}


def entries_about(
    job: Job,
    outcome: str,
    *,
    reason: str | None = None,
    manifest: str | None = None,
    left_out: Sequence[tuple[str, str]] = (),
) -> list[Draft]:
    """Return the entries about a step: one for each exhibit, and then that of the house."""
    withheld: dict[str, Any] = {"purpose": job.purpose.to_json(), "case": job.case.code}
    if job.recipient:
        withheld["recipient"] = job.recipient
    if job.purpose.authority:
        withheld["authority"] = job.purpose.authority
    house: dict[str, Any] = {**withheld}
    if left_out:
        house["detail"] = {"left_out": [what for what, _ in left_out]}
    plain: dict[str, Any] = {"count": len(job.exhibits)}
    if manifest is not None:
        plain["outputs"] = [manifest]
    drafts = [
        Draft(
            job.act,
            job.actor,
            outcome,
            reason=reason,
            exhibit=ref(exhibit),
            request_id=job.request_id,
            plain=handling_of(job.markings.get(exhibit.id, Marking())),
            withheld=withheld | told_with(job.markings.get(exhibit.id, Marking())),
        )
        for exhibit in job.exhibits
    ]
    # The entry of the house comes last: it binds the size of the tree to this export.
    drafts.append(
        Draft(
            Act.REPORT_GENERATED,
            job.actor,
            outcome,
            reason=reason,
            request_id=job.request_id,
            plain=plain,
            withheld=house,
            subject=job.case.id,
        )
    )
    return drafts

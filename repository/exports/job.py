"""What an export works on, and the entries about each of its steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from custody.entry import Act, Actor, CustodyEntry, Draft
from repository import Repository
from repository.bundle import BundleMade
from repository.conditions import Marking
from repository.exhibits import ref
from repository.exports.choice import Choice
from repository.marking import handling, handling_of, told_with
from repository.models import Case, Exhibit
from repository.purpose import Purpose
from repository.register import summary

Twin = Literal["case", "premis", "load-file", "csv"]  # the custody once more, for machines
TWINS: tuple[Twin, ...] = get_args(Twin)


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
    instead: Sequence[tuple[str, str]] = ()  # what is left out for what stands in its place
    twins: Sequence[str] = ()  # which of `TWINS`
    annotations: Sequence[str] = ()  # kinds or names of what is said of them and goes too
    language: str = "en"  # of its report
    choice: Choice = field(default_factory=Choice)  # which personal fields go along
    answered: bool = False  # a receipt is awaited of whoever gets it
    encrypt_to: Sequence[str] = ()  # fingerprints of the keys that it leaves encrypted to

    @property
    def act(self) -> Act:
        """Return `disclosure` for the duty to the defence, else `dissemination`."""
        return Act.DISCLOSURE if self.purpose.code == "disclosure" else Act.DISSEMINATION


def entries_about(
    job: Job,
    outcome: str,
    *,
    reason: str | None = None,
    manifests: Sequence[str] = (),
    left_out: Sequence[tuple[str, str]] = (),
) -> list[Draft]:
    """Return the entries about a step: one for each exhibit, and then that of the house."""
    withheld: dict[str, Any] = {"purpose": job.purpose.to_json(), "case": job.case.code}
    if job.recipient:
        withheld["recipient"] = job.recipient
    if job.purpose.authority:
        withheld["authority"] = job.purpose.authority
    house: dict[str, Any] = {**withheld}
    if outcome == "started":
        with job.repo.database.reading() as session:
            house["detail"] = {
                "register": summary(session, job.case),
                "report": {"generated_at": job.at, "language": job.language},
            }
        if job.encrypt_to:
            house["detail"]["encrypted_to"] = list(job.encrypt_to)
        if job.annotations:
            house["detail"]["annotations"] = list(job.annotations)
        if job.choice:
            house["detail"]["reveal"] = list(job.choice.reveal)
            house["detail"]["withhold"] = list(job.choice.withhold)
    if left_out:
        house["detail"] = {"left_out": [what for what, _ in left_out]}
    every = [job.markings[one.id] for one in job.exhibits if one.id in job.markings]
    plain: dict[str, Any] = {"count": len(job.exhibits), **handling(every)}
    if job.choice.full:
        plain["inputs"] = list(job.choice.full)
    if manifests:
        plain["outputs"] = list(manifests)
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


def made_row(job: Job, size: int, closed: CustodyEntry) -> BundleMade:
    """Return the row of a finished bundle, of whose recipient a receipt is awaited."""
    return BundleMade(
        report_id=job.request_id,
        case_id=job.case.id,
        person_id=job.actor.id,
        made_at=job.repo.clock(),
        index=closed.index,
        tree_size=size,
        manifests=closed.fields["outputs"],
        exhibits=[one.id for one in job.exhibits],
        count=len(job.exhibits),
        recipient=job.recipient,
        statements=[],
    )


def encrypted_entry(
    job: Job, ciphers: Sequence[tuple[str, str, str]], manifests: Sequence[str]
) -> Draft:
    """Return the entry about the files that a bundle left in, encrypted."""
    files = [{"name": name, "plain": plain} for name, _, plain in ciphers]
    return Draft(
        Act.REPORT_GENERATED,
        job.actor,
        reason="encrypted",
        request_id=job.request_id,
        plain={
            "count": len(ciphers),
            "inputs": list(manifests),
            "outputs": [digest for _, digest, _ in ciphers],
        },
        withheld={
            "case": job.case.code,
            "detail": {"encrypted_to": list(job.encrypt_to), "files": files},
        },
        subject=job.case.id,
    )

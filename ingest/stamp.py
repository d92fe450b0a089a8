"""Numbered copies: the numbers that a proceeding gave, set on each page of a copy (ERN, Bates).

The original is never touched. A copy is a PDF made in the sandbox, an exhibit of its own that names
its parent and inherits its handling like whatever else is made of it. What cannot be stamped (it
asks for a password, is damaged, has other pages than numbers) leaves an entry that says why, and
is listed. What was stamped before is not stamped again.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from custody.entry import Act, Actor, Draft, uuid7
from ingest.members import Slice, instrument_of, output
from ingest.origin import Origin
from ingest.register import register
from ingest.sandbox import Sandbox
from ingest.staging import Received, intend, stage
from ingest.stampings import VERSION, Stamped
from ingest.working_copy import working_copy
from repository import Repository, software
from repository.access import Right, Thing
from repository.authorise import Caller, decided, on_case
from repository.derivations import STAMPED
from repository.errors import BadRequest, IntegrityError
from repository.exhibits import derived_of, latest_run, ref
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.numbered import Numbering, NumberRange, ranges_of
from repository.people import SYSTEM
from repository.purpose import Purpose
from repository.retrieve import integrity_failure, part_key, recorded_parts
from repository.submissions import Declaration, complete, open_submission

MOST = 10_000  # exhibits asked for at once
PICTURES = frozenset(
    {
        "image/jpeg", "image/png", "image/apng", "image/webp", "image/tiff", "image/gif",
        "image/bmp", "image/x-ms-bmp", "image/avif", "image/jp2", "image/jpx", "image/heic",
        "image/heif",
    }
)  # fmt: skip
_PURPOSE = Purpose("disclosure", "")

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Copy:
    """What became of one exhibit: `stamped` now, `known` from before, or `not-stamped` and why."""

    exhibit: str
    status: str
    made: str | None = None  # the number of the copy
    sha256: str | None = None
    first: str | None = None
    last: str | None = None
    entry: int | None = None
    reason: str | None = None
    detail: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        return {name: getattr(self, name) for name in self.__slots__}


def stamp(
    repo: Repository,
    sandbox: Sandbox,
    caller: Caller,
    code: str,
    numbers: Sequence[str],
    *,
    progress: Progress = lambda _: None,
) -> list[Copy]:
    """Make numbered copies of exhibits of a case that have numbers in it.

    Args:
        repo: the repository.
        sandbox: where the originals are read.
        caller: who asks; decided as for numbering.
        code: the proceeding.
        numbers: the exhibits.
        progress: is told of how many it is settled.

    Raises:
        UnknownCase, UnknownExhibit, AccessDenied: not for this caller; recorded.
        BadRequest: no exhibits, too many, or the case numbers nothing.
        IntegrityError: an original is not what was taken in; recorded.
        StoreUnavailable, LedgerUnavailable, SandboxUnavailable: what was stamped before stays.
    """
    act = Act.DERIVATIVE_CREATION
    on_case(repo, caller, Right.REVIEW, code, attempted=act)
    wanted = list(dict.fromkeys(numbers))
    if not 1 <= len(wanted) <= MOST:
        raise BadRequest(f"name 1 to {MOST} exhibits at once")
    every = [decided(repo, caller, Right.REVIEW, one, attempted=act) for one in wanted]
    done = []
    for actor, case, exhibit, thing in every:
        work = _Work(repo, sandbox, actor, case, exhibit, uuid7(repo.clock(), repo.random))
        done.append(work.copy(thing, code))
        progress(len(done))
    return done


@dataclass(frozen=True, slots=True)
class _Work:
    """One original, who asks, and the request that all of its entries name."""

    repo: Repository
    sandbox: Sandbox
    actor: Actor
    case: Case
    exhibit: Exhibit
    request: str

    def copy(self, thing: Thing, code: str) -> Copy:
        """Return what became of it."""
        exhibit = self.exhibit
        with self.repo.database.reading() as session:
            scheme = session.get(Numbering, self.case.id)
            row = ranges_of(session, self.case.id, [exhibit.id]).get(exhibit.id)
            run = latest_run(session, exhibit.id)
            made = derived_of(session, [exhibit.id]).get(exhibit.id, ())
        why = None
        if self.case.code != code:
            why = f"it is stamped in its own case alone, which is not {shown(code)}"
            return Copy(exhibit.number, "not-stamped", reason="other-case", detail=why)
        if scheme is None or row is None:
            return Copy(exhibit.number, "not-stamped", reason="no-number")
        cited: Any = {"first": scheme.text(row.first), "last": scheme.text(row.last)}
        before = [one for one, kind in made if kind == STAMPED and one.erased_at is None]
        if before:
            one = before[0]
            return Copy(
                exhibit.number, "known", one.number, one.sha256, **cited, entry=one.registration
            )
        mime = (run.mime if run else None) or ""
        if exhibit.erased_at is not None:
            why = "erased"
        elif thing.privileged or thing.holds_privileged:
            why = "privileged"
        elif mime != "application/pdf" and mime not in PICTURES:
            why = "no-pages"
        if why is not None:
            return Copy(exhibit.number, "not-stamped", reason=why, **cited)
        return self._stamp(scheme, row, cited, mime)

    def _stamp(self, scheme: Numbering, row: NumberRange, cited: dict[str, str], mime: str) -> Copy:
        repo, exhibit = self.repo, self.exhibit
        parts = recorded_parts(repo, exhibit)
        most = repo.settings.member_bytes
        if len(parts) > 1 or parts[0].size > repo.settings.extraction_copy_bytes:
            why = "several parts, or too large to be copied"
            return self._not(Stamped("none", reason="too-large", detail=why), cited)
        job = {
            "labels": [scheme.prefix, scheme.digits, row.first],
            "pages": row.last - row.first + 1 if row.paged else None,
            "picture": mime in PICTURES,
            "frames": mime == "image/tiff",
        }
        with ExitStack() as opened:
            try:
                key = part_key(repo, exhibit, parts[0])
                file = opened.enter_context(working_copy(repo, exhibit, parts[0], key))
            except IntegrityError as error:
                repo.ledger.record(integrity_failure(exhibit, SYSTEM, None, str(error)))
                raise
            into = opened.enter_context(output(repo, most))
            made = self.sandbox.stamp(file, job, into, most=most)
            if made.reason:
                return self._not(made, cited)
            return self._registered(made, into, cited)

    def _registered(self, made: Stamped, into: int, cited: dict[str, str]) -> Copy:
        repo, exhibit = self.repo, self.exhibit
        declared = Declaration(_PURPOSE, family=exhibit.family)
        submission, _ = open_submission(
            repo, self.actor, self.case, declared,
            sources=[exhibit.id.encode(), json.dumps(cited).encode()],
        )  # fmt: skip
        [[intent]] = intend(repo, submission, [[f"{cited['first']}.pdf".encode()]])
        staged = stage(
            repo, intent, Slice(into, 0, made.size), size=made.size, declared={}  # type: ignore[arg-type]  # it reads
        )  # fmt: skip
        origin = Origin(
            ref(exhibit), "", self._instrument(made), self.request, kind=STAMPED,
            reason="numbers of the proceeding, set on a copy",
            told={"author": software(), **cited},
        )  # fmt: skip
        received = [Received((staged,), origin=origin)]
        [outcome] = register(repo, self.actor, self.case, submission, received)
        complete(repo, submission)
        return Copy(
            exhibit.number, "stamped", outcome.number, outcome.sha256, **cited, entry=outcome.index
        )

    def _not(self, made: Stamped, cited: dict[str, str]) -> Copy:
        """Put on record why there is no copy."""
        outcome = "not-done" if made.reason in ("encrypted", "too-large", "refused") else "error"
        draft = Draft(
            Act.DERIVATIVE_CREATION,
            self.actor,
            outcome,
            reason=f"not-stamped-{made.reason}",
            exhibit=ref(self.exhibit),
            request_id=self.request,
            plain={"instrument": self._instrument(made), "inputs": [self.exhibit.sha256]},
            withheld={"case": self.case.code, "detail": {"why": made.detail, **cited}},
        )
        entry = self.repo.ledger.record(draft)[0]
        return Copy(
            self.exhibit.number, "not-stamped", **cited, entry=entry.index, reason=made.reason,
            detail=made.detail,
        )  # fmt: skip

    def _instrument(self, made: Stamped) -> dict[str, Any]:
        return instrument_of(self.repo, VERSION, made.isolation)

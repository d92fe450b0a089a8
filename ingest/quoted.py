"""Custody before an exhibit came, as another repository recorded it: quoted, never taken for ours.

What is quoted is kept as it came, sealed under the exhibit's own key, and named by its digest in
an entry. Its conditions hold here from the moment the exhibit has a number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, CustodyEntry, Draft
from repository import Repository
from repository.conditions import Marking
from repository.errors import TransferAnswered
from repository.exhibits import ref
from repository.handovers import Quoted as Row
from repository.marking import change_draft, handling_of
from repository.models import Case, Exhibit
from repository.rules import Marking as MarkingRow
from repository.sealed import put_document
from repository.stores import Stored


@dataclass(frozen=True, slots=True)
class Quoted:
    """What a verified bundle says of one exhibit, and under which conditions it was given."""

    origin: str
    bundle: str
    their_id: str
    their_number: str
    sha256: str  # as they registered it
    count: int
    document: bytes  # the quoted history (docs/format.md 7.2)
    claims: Mapping[str, str]  # what the verifier said of the bundle
    marking: Marking
    request_id: str  # of the import
    release: str | None = None  # digest of the entry that released it to this repository
    transfer: str | None = None  # as the release calls it
    released_at: str | None = None
    stored: Stored | None = None
    digest: str = ""

    def kept(self, repo: Repository, key: bytes | None) -> "Quoted":
        """Store the quoted history under the exhibit's data key, in every store we have."""
        stored, digest = put_document(repo, self.document, key=key)
        if repo.replica is not None:
            with repo.store.open(stored) as sealed:
                repo.replica.put([sealed.read()], bucket=stored.bucket, key=stored.key)
        return replace(self, stored=stored, digest=digest)

    def rows(self, exhibit: Exhibit, case: Case) -> list[Any]:
        """Return the rows that stand beside the exhibit's own."""
        assert self.stored is not None  # kept before it is registered
        rows: list[Any] = [
            Row(
                exhibit_id=exhibit.id, case_id=case.id, bundle=self.bundle, origin=self.origin,
                their_id=self.their_id, their_number=self.their_number,
                entries=self.count, stored=self.stored.to_json(), sha256=self.digest,
                release=self.release, transfer=self.transfer, index=-1,
            )
        ]  # fmt: skip
        if handling_of(self.marking):
            marking = self.marking.to_json()
            rows.append(MarkingRow(subject=exhibit.id, case_id=case.id, marking=marking, index=-1))
        return rows

    def entries(self, actor: Actor, case: Case, exhibit: Exhibit) -> list[Draft]:
        """Return what follows the registration: the bundle verified, custody received, marked."""
        assert self.stored is not None
        detail = {"origin": self.origin, "exhibit": self.their_number, "id": self.their_id}
        about: dict[str, Any] = {"exhibit": ref(exhibit), "request_id": self.request_id}
        tool = {"tool": "custody/verify.py", "version": "1", "parameters": dict(self.claims)}
        drafts = [
            Draft(
                Act.SIGNATURE_VALIDATION,
                actor,
                "pass",
                reason="bundle-verified",
                plain={
                    "instrument": tool,
                    "inputs": [self.bundle],
                    "outputs": [self.digest],
                    "location": self.stored.location(),
                    "count": self.count,
                },
                withheld={"case": case.code, "detail": detail},
                **about,
            )
        ]
        if self.release is not None:
            drafts.append(
                Draft(
                    Act.TRANSFER_RECEIVED,
                    actor,
                    reason="imported",
                    plain={
                        "inputs": [self.release],
                        "verification": {"expected": [self.sha256], "observed": [exhibit.sha256]},
                    },
                    withheld={
                        "case": case.code, "detail": {**detail, "released_at": self.released_at},
                    },
                    exhibit=ref(exhibit),
                    request_id=(self.transfer or "").removeprefix("TRF-"),
                )
            )  # fmt: skip
        if handling_of(self.marking):
            motive = f"as it was given with the bundle of {self.origin}"
            drafts.append(
                change_draft(
                    actor, ref(exhibit), case, exhibit.number, Marking(), self.marking, motive
                )
            )
        return drafts

    def refusal(self, actor: Actor, case: Case, motive: str) -> Draft:
        """Return the entry that says that custody was not taken over; there is no exhibit."""
        detail = {"origin": self.origin, "exhibit": self.their_number, "id": self.their_id}
        return Draft(
            Act.TRANSFER_REFUSED,
            actor,
            reason="not-imported",
            request_id=(self.transfer or "").removeprefix("TRF-"),
            plain={
                "inputs": [self.release],
                "verification": {"expected": [self.sha256], "observed": [self.sha256]},
            },
            withheld={"case": case.code, "motive": motive, "detail": detail},
            subject=case.id,
        )


def add_quoted(session: Session, rows: Sequence[Any], entries: Sequence[CustodyEntry]) -> None:
    """Add the rows of a quoted exhibit, with the indexes of its entries, which begin the list."""
    quoted, *marked = rows
    quoted.index = entries[0].index
    if quoted.release is not None:
        quoted.received = entries[1].index
    for row in marked:
        row.index = entries[2 if quoted.release is not None else 1].index
    session.add_all(rows)
    session.flush()


def quoted_before(
    session: Session, case: Case, quoted: Mapping[str, Quoted | None]
) -> dict[str, Exhibit]:
    """Return, by the id of the exhibit to be, what was made of the same one of the same bundle."""
    found: dict[str, Exhibit] = {}
    for name, one in quoted.items():
        if one is not None:
            known = imported(session, case, one.bundle, {one.their_id: one.release})
            if one.their_id in known:
                found[name] = known[one.their_id]
    return found


def imported(
    session: Session, case: Case, bundle: str, exhibits: Mapping[str, str | None]
) -> dict[str, Exhibit]:
    """Return what was registered of a bundle in a case, by the exhibits' ids there.

    `exhibits` says of each which entry released it: a release that was taken in stays one result,
    in whichever bundle it comes again.

    Raises:
        TransferAnswered: one was taken in into another case.
    """
    releases = [one for one in exhibits.values() if one is not None]
    same = (Row.case_id == case.id) & (Row.bundle == bundle)
    query = select(Row, Exhibit).join(Exhibit, Exhibit.id == Row.exhibit_id)
    found = {}
    for row, exhibit in session.execute(query.where(or_(same, Row.release.in_(releases)))):
        if row.case_id != case.id:
            raise TransferAnswered(f"what {row.origin} released was received before, elsewhere")
        if row.their_id in exhibits:
            found[row.their_id] = exhibit
    return found

"""Where a child exhibit comes from: a member of a container, or what people made of an exhibit."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft, ExhibitRef
from repository.derivations import Derivation
from repository.errors import Erased
from repository.exhibits import ref
from repository.models import Case, ChildExhibit, Exhibit
from repository.naming import name_digest, shown
from repository.purpose import Purpose


@dataclass(frozen=True, slots=True)
class Origin:
    """The parent as entries name it, the member, what took it out, and in which request.

    Of what people made (`kind`) there is no member: its reason, and what else is told of it.
    """

    parent: ExhibitRef
    member: str  # as the parent's listing names it
    instrument: Mapping[str, Any]
    request_id: str
    kind: str = "member"
    reason: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, as tables keep it."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Origin":
        """Read what `to_json` wrote."""
        return cls(**{**found, "parent": ExhibitRef(**found["parent"])})

    @property
    def made(self) -> bool:
        """Say whether people made it."""
        return self.kind != "member"

    def rows(self, child: str) -> list[Any]:
        """Return the rows that say of a child whose it is, and what it is."""
        # An exhibit's id is no digest: what people made is never taken for a member.
        name = child if self.made else name_digest(self.member.encode())
        found: list[Any] = [
            ChildExhibit(exhibit_id=child, parent_id=self.parent.id, member_sha256=name)
        ]
        if self.made:
            language = self.told.get("language")
            found.append(Derivation(exhibit_id=child, kind=self.kind, language=language, own=False))
        return found

    def entries(
        self, actor: Actor, case: Case, purpose: Purpose, child: Exhibit, digests: Sequence[str]
    ) -> list[Draft]:
        """Return the entries about a derivation: one in the child's history, one in the parent's.

        Each names the other exhibit, the member and the digests of both (docs/format.md 2.3).
        """
        drafts = []
        said: dict[str, Any] = {"motive": self.reason} if self.made else {"path": self.member}
        for about, other, detail in (
            (ref(child), "parent", self.parent),
            (self.parent, "child", ref(child)),
        ):
            drafts.append(
                Draft(
                    Act.DERIVATIVE_CREATION,
                    actor,
                    reason=self.kind,
                    exhibit=about,
                    request_id=self.request_id,
                    plain={
                        "instrument": self.instrument,
                        "inputs": [self.parent.sha256],
                        "outputs": list(digests),
                    },
                    withheld={
                        "case": case.code,
                        "purpose": purpose.to_json(),
                        **said,
                        "detail": {
                            other: {"exhibit": detail.number, "id": detail.id},
                            **self.told,
                        },
                    },
                )
            )
        return drafts

    def refusal(
        self, actor: Actor, case: Case, purpose: Purpose, outcome: str, reason: str, detail: str
    ) -> Draft:
        """Return the entry, in the parent's history, about a member that was not taken out."""
        return Draft(
            Act.DERIVATIVE_CREATION,
            actor,
            outcome,
            reason=reason,
            exhibit=self.parent,
            request_id=self.request_id,
            plain={"instrument": self.instrument, "inputs": [self.parent.sha256]},
            withheld={
                "case": case.code,
                "purpose": purpose.to_json(),
                "path": self.member,
                "detail": {"why": detail},
            },
        )

    def of(self, member: str) -> "Origin":
        """Return the origin of another member, taken out in the same request."""
        return replace(self, member=member)


def taken_before(session: Session, origins: Mapping[str, Origin]) -> dict[str, Exhibit]:
    """Return, by the id of the exhibit to be, what was made of the same member before.

    Raises:
        Erased: meanwhile a parent was erased: nothing is taken out of it any more.
    """
    found: dict[str, Exhibit] = {}
    for name, origin in origins.items():
        if session.get_one(Exhibit, origin.parent.id).erased_at is not None:
            raise Erased(f"{shown(origin.parent.number)} was erased; nothing is taken out of it")
        if origin.made:
            continue
        child = known_children(session, origin.parent.id, [origin.member]).get(origin.member)
        if child is not None and child.id != name:
            found[name] = child
    return found


def known_children(session: Session, parent_id: str, members: Sequence[str]) -> dict[str, Exhibit]:
    """Return the children that were made of an exhibit's members, by the members' paths."""
    by_digest = {name_digest(one.encode("utf-8", "backslashreplace")): one for one in members}
    query = (
        select(ChildExhibit.member_sha256, Exhibit)
        .join(Exhibit, Exhibit.id == ChildExhibit.exhibit_id)
        .where(ChildExhibit.parent_id == parent_id)
    )
    if len(by_digest) <= 500:
        query = query.where(ChildExhibit.member_sha256.in_(by_digest))
    return {
        by_digest[digest]: child for digest, child in session.execute(query) if digest in by_digest
    }

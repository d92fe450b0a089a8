"""What people made of exhibits: redactions, clips, transcripts, translations, beside their parents.

Each is an exhibit of its own and names its parent (`models.ChildExhibit`). It inherits what is
said of the handling of its parent, until two persons agree that its own marking is enough
(`approvals.request_own`). Who made it, with what and why stands in its `derivative_creation`.
The tables: Derivation, and WorkingCopy (`working_copies`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from repository.columns import UUID, Model
from repository.errors import BadRequest

KINDS = ("redaction", "clip", "transcript", "translation")
STAMPED = "stamped"  # a copy with numbers on its pages; made by the program alone
MAX_TEXT = 2_000
MAX_CODES = 100
_TAG = "a language is a tag after BCP 47, like uk or sr-Cyrl"


class Derivation(Model):
    """An exhibit that people made of another one."""

    __tablename__ = "derivation"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    language: Mapped[str | None] = mapped_column(String(40))
    own: Mapped[bool]  # its own marking is enough: it inherits nothing any more


class WorkingCopy(Model):
    """Copies that were made together, and how many of them are still out."""

    __tablename__ = "working_copy"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"))
    count: Mapped[int]
    out: Mapped[int]
    made_by: Mapped[str] = mapped_column(UUID)
    made_at: Mapped[datetime]
    index: Mapped[int]  # of its first entry
    __table_args__ = (Index("working_copy_of", "exhibit_id"),)


@dataclass(frozen=True, slots=True)
class Making:
    """What somebody says of a derivative: what it is, who made it with what, and why."""

    kind: str
    author: str
    tool: str
    reason: str
    version: str | None = None
    language: str | None = None
    codes: tuple[str, ...] = field(default=())  # of what is withheld in it, and on what that rests

    def check(self) -> None:
        """Refuse what says too little.

        Raises:
            BadRequest: another kind, no author, tool or reason, or a redaction without its codes.
        """
        if self.kind not in KINDS:
            raise BadRequest(f"a derivative is one of {', '.join(KINDS)}")
        needed = {"author": self.author, "tool": self.tool, "reason": self.reason}
        given = {"version": self.version, **{f"code {n}": c for n, c in enumerate(self.codes, 1)}}
        for name, value in {**needed, **given}.items():
            if (value is not None or name in needed) and not _good(value):
                raise BadRequest(f"{name} has 1 to {MAX_TEXT} characters")
        if self.kind == "redaction" and not self.codes:
            raise BadRequest("a redaction says by codes what is withheld: --code 'R3: basis'")
        if len(self.codes) > MAX_CODES:
            raise BadRequest(f"at most {MAX_CODES} codes are listed")
        if self.language is not None:
            parts = self.language.split("-")
            tag = self.language.isascii() and all(1 <= len(p) <= 8 and p.isalnum() for p in parts)
            if not tag or len(self.language) > 40 or not parts[0].isalpha():
                raise BadRequest(_TAG)
        if self.kind == "translation" and self.language is None:
            raise BadRequest(f"a translation names its language; {_TAG}")

    def told(self) -> dict[str, Any]:
        """Return what an entry withholds of it, beside the reason."""
        found = {"author": self.author, "language": self.language, "codes": list(self.codes)}
        return {name: value for name, value in found.items() if value}


def _good(value: str | None) -> bool:
    return value is not None and bool(value.strip()) and len(value) <= MAX_TEXT


def kinds_of(session: Session, exhibit_ids: Sequence[str]) -> dict[str, Derivation]:
    """Return what is known of those of these exhibits that people made, by id."""
    query = select(Derivation).where(Derivation.exhibit_id.in_(exhibit_ids))
    return {row.exhibit_id: row for row in session.scalars(query)}


def out_of(session: Session, exhibit_id: str) -> int:
    """Return how many working copies of an exhibit are out."""
    query = select(func.sum(WorkingCopy.out)).where(WorkingCopy.exhibit_id == exhibit_id)
    return int(session.scalar(query) or 0)

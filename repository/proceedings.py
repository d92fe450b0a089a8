"""The mapped tables of proceedings: Situation, Association, Hold, Review, Privilege and more."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from repository.columns import UUID, Model


class Situation(Model):
    """An area and time that is investigated; cases against persons come out of it."""

    __tablename__ = "situation"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    code: Mapped[str] = mapped_column(String(12), unique=True)
    title: Mapped[str]
    opened_at: Mapped[datetime]
    organisation: Mapped[str | None]  # whose it is; None: the house's own


class CaseSituation(Model):
    """The situation that a case belongs to."""

    __tablename__ = "case_situation"
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"), primary_key=True)
    situation_id: Mapped[str] = mapped_column(UUID, ForeignKey("situation.id"))
    index: Mapped[int]  # of its `association` entry
    __table_args__ = (Index("case_situation_of", "situation_id"),)


class Association(Model):
    """An exhibit belongs to a further case too, under the number it has; gone when it is ended."""

    __tablename__ = "association"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"), primary_key=True)
    at: Mapped[datetime]
    index: Mapped[int]  # of its `association` entry
    __table_args__ = (Index("association_case", "case_id"),)


class Hold(Model):
    """A matter for which an exhibit must not be erased; kept for good, released or not."""

    __tablename__ = "hold"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"))
    matter: Mapped[str] = mapped_column(String(200))
    authority: Mapped[str | None]
    placed_by: Mapped[str] = mapped_column(UUID)
    placed_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    followed: Mapped[bool]  # the stores' own legal hold says the same
    index: Mapped[int]  # of its `hold_placed` entry
    __table_args__ = (
        Index("hold_of", "exhibit_id", "released_at"),
        Index("hold_followed", "followed"),
    )


class Review(Model):
    """What was said last of an exhibit in a proceeding (`register.Judgement`)."""

    __tablename__ = "review"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"), primary_key=True)
    said: Mapped[dict[str, Any]]
    reviewer: Mapped[str] = mapped_column(UUID)
    at: Mapped[datetime]
    index: Mapped[int]  # of its last `annotation` entry
    __table_args__ = (Index("review_case", "case_id"),)


class SecondReview(Model):
    """What another person said last of the same, where the proceeding asks for a second review."""

    __tablename__ = "second_review"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"), primary_key=True)
    said: Mapped[dict[str, Any]]
    reviewer: Mapped[str] = mapped_column(UUID)
    at: Mapped[datetime]
    index: Mapped[int]  # of its last `annotation` entry
    __table_args__ = (Index("second_review_case", "case_id"),)


class ReviewRule(Model):
    """How a proceeding reviews: whether each exhibit is reviewed by a second person."""

    __tablename__ = "review_rule"
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"), primary_key=True)
    second: Mapped[bool]
    index: Mapped[int]  # of its last `configuration_change` entry


class Privilege(Model):
    """Something may be privileged: the exhibit or member that was named, and what holds it.

    A claim is one row for what was named and one for each container above that; they are decided
    together. `member` is the path in that exhibit, empty for the exhibit itself.
    """

    __tablename__ = "privilege"
    claim: Mapped[str] = mapped_column(UUID, primary_key=True)
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    member: Mapped[str]
    named: Mapped[bool]  # False: it holds what was named
    state: Mapped[str] = mapped_column(String(16))  # possible, confirmed, released
    claimed_by: Mapped[str] = mapped_column(UUID)
    claimed_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(UUID)
    decided_at: Mapped[datetime | None]
    index: Mapped[int]  # of its last `handling_change` entry
    __table_args__ = (
        Index("privilege_of", "exhibit_id", "state"),
        Index("privilege_case", "case_id", "claimed_at"),
    )


def claims_on(session: Session, exhibit_id: str) -> list[Privilege]:
    """Return what was named of one exhibit, oldest first, whoever asks."""
    query = select(Privilege).where(Privilege.exhibit_id == exhibit_id, Privilege.named)
    return list(session.scalars(query.order_by(Privilege.claimed_at, Privilege.claim)))

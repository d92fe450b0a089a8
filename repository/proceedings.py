"""The mapped tables of proceedings: Situation, CaseSituation, Association, Hold, Review."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

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

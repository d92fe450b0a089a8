"""The mapped tables of the rules: Organisation, Marking, Disclosed, Approval."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from repository.columns import UUID, Model


class Organisation(Model):
    """An institution that people act for and cases belong to."""

    __tablename__ = "organisation"
    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    country: Mapped[str | None]
    created_at: Mapped[datetime]


class Marking(Model):
    """How a case, a submission or an exhibit is to be handled (`access.Marking`)."""

    __tablename__ = "marking"
    subject: Mapped[str] = mapped_column(String(40), primary_key=True)  # the id of any of them
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    marking: Mapped[dict[str, Any]]
    index: Mapped[int]  # of its last `handling_change` entry


class Disclosed(Model):
    """An exhibit was disclosed to a party of its case."""

    __tablename__ = "disclosed"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    party: Mapped[str] = mapped_column(String(200), primary_key=True)
    at: Mapped[datetime]
    index: Mapped[int]  # of its `disclosure` entry


class Approval(Model):
    """An act of two persons: who asked for what, who else decided, and until when it holds."""

    __tablename__ = "approval"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    act: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(40))  # id of a case, submission, exhibit; or house
    case_id: Mapped[str | None] = mapped_column(UUID, ForeignKey("case_file.id"))
    asked: Mapped[dict[str, Any]]  # what is done when it is approved
    requested_by: Mapped[str] = mapped_column(UUID)
    requested_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(UUID)
    decided_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(16))  # requested, approved, refused
    until: Mapped[datetime | None]
    index: Mapped[int]  # of its `approval_requested` entry
    __table_args__ = (
        Index("approval_state", "state", "requested_at"),
        Index("approval_effect", "subject", "requested_by", "state"),
    )

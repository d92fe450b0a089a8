"""The mapped tables of the rules: Organisation, Marking, Disclosed, Identity, Approval."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from repository.columns import DIGEST, UUID, Model


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


class Identity(Model):
    """Somebody protected: a codename, and who stands behind it, sealed (`vault`)."""

    __tablename__ = "identity"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    codename: Mapped[str] = mapped_column(String(16), unique=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    kind: Mapped[str] = mapped_column(String(16))  # witness, victim, source, submitter
    commitment: Mapped[str] = mapped_column(DIGEST)  # as its `person_registered` entry has it
    kek: Mapped[str] = mapped_column(String(64))  # which key of the vault wrapped its key
    wrapped: Mapped[bytes | None]  # its key; gone with its erasure
    sealed: Mapped[bytes | None]
    made_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(UUID)
    erased_at: Mapped[datetime | None]
    index: Mapped[int]  # of its `person_registered` entry
    __table_args__ = (Index("identity_case", "case_id", "codename"),)


class Approval(Model):
    """An act of two persons: who asked for what, who else decided, and until when it holds."""

    __tablename__ = "approval"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    act: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(40))  # id of a case, exhibit, identity …; or house
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

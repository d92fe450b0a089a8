"""The mapped tables of the rules: Organisation, Marking, Disclosed, Batch, Consent, Identity …"""

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
    ended_at: Mapped[datetime | None]  # it left: its people do nothing, its conditions stay
    successor: Mapped[str | None]  # who answers what it was asked, once it left
    uses: Mapped[list[Any] | None]  # of `conditions.EXCLUDED_USES`, on record of its jurisdiction


class Marking(Model):
    """How a case, a submission or an exhibit is to be handled (`conditions.Marking`)."""

    __tablename__ = "marking"
    subject: Mapped[str] = mapped_column(String(40), primary_key=True)  # the id of any of them
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    marking: Mapped[dict[str, Any]]
    index: Mapped[int]  # of its last `handling_change` entry


class Disclosed(Model):
    """An exhibit was disclosed to a party of a case that it belongs to."""

    __tablename__ = "disclosed"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"), primary_key=True)
    party: Mapped[str] = mapped_column(String(200), primary_key=True)
    at: Mapped[datetime]
    form: Mapped[str | None]  # a copy, an inspection, a redacted version …
    batch: Mapped[int | None]  # the numbered batch it went with; None: alone
    acknowledged_at: Mapped[datetime | None]  # by somebody of the party
    index: Mapped[int]  # of its `disclosure` entry
    __table_args__ = (Index("disclosed_case", "case_id", "party"),)


class Batch(Model):
    """Exhibits that were disclosed together to a party of a case, under a number of its own."""

    __tablename__ = "disclosure_batch"
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"), primary_key=True)
    party: Mapped[str] = mapped_column(String(200), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    form: Mapped[str | None]
    count: Mapped[int]
    digest: Mapped[str] = mapped_column(DIGEST)  # of the list of numbers and digests
    index: Mapped[int]  # of the house's entry about it; those of its exhibits come before


class Consent(Model):
    """What an owner is asked for, and what became of it; kept for good."""

    __tablename__ = "consent"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str]  # an organisation, as the markings name it
    recipient: Mapped[str]  # an organisation, a party, or one of `conditions.RECIPIENTS`
    purpose: Mapped[str | None] = mapped_column(String(32))  # its code; None: any
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    requested_by: Mapped[str] = mapped_column(UUID)
    requested_at: Mapped[datetime]
    until: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(16))  # requested, given, refused, withdrawn
    answered_by: Mapped[str | None] = mapped_column(UUID)
    answered_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    index: Mapped[int]  # of the first entry that asked for it
    __table_args__ = (
        Index("consent_owner", "owner", "state"),
        Index("consent_case", "case_id", "requested_at"),
        Index("consent_recipient", "recipient"),
    )


class ConsentSubject(Model):
    """An exhibit or a submission that a consent is about."""

    __tablename__ = "consent_subject"
    consent_id: Mapped[str] = mapped_column(String(40), ForeignKey("consent.id"), primary_key=True)
    subject: Mapped[str] = mapped_column(String(40), primary_key=True)
    __table_args__ = (Index("consent_subject_of", "subject"),)


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


HOUSE = "house"  # the subject of an approval that is about no case or exhibit


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

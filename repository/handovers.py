"""The mapped tables of custody that passes on: Transfer, Counterpart, Quoted."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from repository.columns import DIGEST, UUID, Model

# Nothing was provided yet; bytes went out or are being hashed by the other side: nothing more came.
WAITING = ("released", "provided")


class Transfer(Model):
    """Custody of one exhibit, released to an institution; several together share an id."""

    __tablename__ = "transfer"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    recipient: Mapped[str]  # the organisation
    purpose: Mapped[dict[str, Any]]
    # To an installation of its own: a receipt signed there answers, nobody here.
    outside: Mapped[bool]
    state: Mapped[str] = mapped_column(String(16))  # `WAITING`, received, refused, withdrawn
    released_by: Mapped[str] = mapped_column(UUID)
    released_at: Mapped[datetime]
    provided_at: Mapped[datetime | None]
    answered_by: Mapped[str | None] = mapped_column(UUID)
    answered_at: Mapped[datetime | None]
    index: Mapped[int]  # of its `transfer_released` entry
    answer: Mapped[int | None]  # of the entry that answered it
    receipt: Mapped[str | None]  # signed by the other installation, as it came
    __table_args__ = (
        Index("transfer_case", "case_id", "released_at"),
        Index("transfer_recipient", "recipient", "released_at"),
        Index("transfer_exhibit", "exhibit_id", "state"),
    )


class Counterpart(Model):
    """A key of another installation's ledger, pinned: its bundles and receipts are believed."""

    __tablename__ = "counterpart"
    vkey: Mapped[str] = mapped_column(String(400), primary_key=True)
    origin: Mapped[str] = mapped_column(String(200))  # the name of that ledger
    organisation: Mapped[str]  # whose installation it is
    added_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    index: Mapped[int]  # of the entry that pinned it
    __table_args__ = (Index("counterpart_origin", "origin"),)


class Quoted(Model):
    """An exhibit that came in another repository's bundle, with its earlier custody as quoted."""

    __tablename__ = "quoted"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    bundle: Mapped[str] = mapped_column(DIGEST)  # of the bundle's tag manifest
    origin: Mapped[str] = mapped_column(String(200))
    their_id: Mapped[str] = mapped_column(UUID)
    their_number: Mapped[str] = mapped_column(String(24))
    entries: Mapped[int]  # how many are quoted
    stored: Mapped[dict[str, Any]]  # the quoted history, sealed under the exhibit's key
    sha256: Mapped[str] = mapped_column(DIGEST)  # of the quoted history
    release: Mapped[str | None] = mapped_column(
        DIGEST, unique=True
    )  # of the entry that released it to us
    index: Mapped[int]  # of the `signature_validation` entry
    transfer: Mapped[str | None] = mapped_column(String(40), index=True)  # as its release says
    received: Mapped[int | None]  # of the `transfer_received` entry
    receipt: Mapped[str | None]  # that this was acknowledged there, as it came
    __table_args__ = (UniqueConstraint("case_id", "bundle", "their_id"),)

"""The tables of exports: those made for a download, and every finished bundle with its receipt."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from repository.columns import DIGEST, UUID, Model


class Bundle(Model):
    """One export: made by a worker, fetched by whoever asked for it, kept for some days."""

    __tablename__ = "bundle"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    person_id: Mapped[str] = mapped_column(UUID, ForeignKey("person.id"))
    assurance: Mapped[str] = mapped_column(String(32))  # how that person was known
    asked: Mapped[dict[str, Any]]  # exhibits, purpose, authority, assured, recipient
    asked_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))  # asked, making, ready, failed, ended
    reason: Mapped[str | None] = mapped_column(String(64))  # why it failed
    report_id: Mapped[str | None] = mapped_column(UUID)  # of the entries of the newest try
    tree_size: Mapped[int | None]
    manifest: Mapped[str | None] = mapped_column(DIGEST)
    size: Mapped[int | None]  # bytes of the archive
    left_out: Mapped[list[Any] | None]
    until: Mapped[datetime | None]  # when it ends
    wrapped: Mapped[bytes | None]  # the key of its own files, wrapped by the house's
    layout: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)  # `exports.archive`
    __table_args__ = (Index("bundle_state", "state", "asked_at"),)


class BundleMade(Model):
    """One finished bundle, however it left; and the receipt of whoever got it, once it came."""

    __tablename__ = "bundle_made"
    report_id: Mapped[str] = mapped_column(UUID, primary_key=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    person_id: Mapped[str] = mapped_column(UUID, ForeignKey("person.id"))
    made_at: Mapped[datetime]
    index: Mapped[int]  # of the entry that closed it
    tree_size: Mapped[int]
    manifests: Mapped[list[Any]]  # of its tag manifest; of each volume in order
    exhibits: Mapped[list[Any]] = mapped_column(deferred=True)  # their ids
    count: Mapped[int]
    recipient: Mapped[str | None]
    receipt: Mapped[dict[str, Any] | None]  # who, how, when; `file`: as it came
    received_at: Mapped[datetime | None]  # when it was recorded here
    receipt_index: Mapped[int | None]  # of the entry about it
    statements: Mapped[list[Any]]  # [kind, index of its entry] of custodians' statements about it
    __table_args__ = (Index("bundle_made_of", "case_id", "index"),)

"""The mapped tables of people who report without a name: Mailbox, Letter, LetterPiece.

No column holds a time finer than a day, an address, or an account of theirs.
"""

from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from repository.columns import DIGEST, UUID, Model


class Mailbox(Model):
    """One reporter: opened by a code-name of which only a slow digest is kept."""

    __tablename__ = "mailbox"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)  # by chance: it tells no time
    opens: Mapped[str] = mapped_column(DIGEST, unique=True)  # the digest of the code-name
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    alias: Mapped[str] = mapped_column(String(24), unique=True)  # the reporter, in entries
    submission_id: Mapped[str] = mapped_column(String(40), unique=True)  # once it is registered
    language: Mapped[str] = mapped_column(String(8))
    heard: Mapped[str] = mapped_column(String(8))  # by another investigator: yes, no, unknown
    consent: Mapped[list[Any]]  # to whom it may go (`conditions.RECIPIENTS`)
    withdrawn: Mapped[bool]
    day: Mapped[str] = mapped_column(String(10))  # on which it was opened, UTC


class Letter(Model):
    """Some words or a file that came to a mailbox; evidence once its day is over."""

    __tablename__ = "letter"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    mailbox_id: Mapped[str] = mapped_column(UUID, ForeignKey("mailbox.id"))
    number: Mapped[int]  # in its mailbox, from 1
    name: Mapped[bytes]  # as it was called there
    size: Mapped[int | None]  # of the whole, where it was said
    head: Mapped[str | None] = mapped_column(DIGEST)  # of its beginning, to know it again by
    offset: Mapped[int]  # bytes that are stored durably
    state: Mapped[str] = mapped_column(String(12))  # arriving, waiting, registered
    day: Mapped[str] = mapped_column(String(10))  # on which the last byte came
    wrapped: Mapped[bytes | None]  # the key of its pieces, wrapped by the house's; gone with them
    exhibit_id: Mapped[str | None] = mapped_column(UUID)
    __table_args__ = (
        Index("letter_mailbox", "mailbox_id", "number", unique=True),
        Index("letter_state", "state", "day"),
    )


class LetterPiece(Model):
    """Some bytes of a letter, sealed as one object in the bucket `staging`."""

    __tablename__ = "letter_piece"
    letter_id: Mapped[str] = mapped_column(UUID, ForeignKey("letter.id"), primary_key=True)
    start: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int]
    key: Mapped[str] = mapped_column(String(100))
    stored: Mapped[dict[str, Any]]
    __table_args__ = (Index("letter_piece_key", "key"),)

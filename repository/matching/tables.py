"""The mapped tables of matching: keys, tokens, who takes part, questions and notices.

No value stands here in clear text: tokens are keyed (`values`), what has to be compared is sealed.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from repository.columns import UUID, Model


class MatchKey(Model):
    """A key of the tokens, wrapped by the key-encryption key of matching; the newest counts."""

    __tablename__ = "match_key"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)  # a UUIDv7: in order of making
    kek: Mapped[str] = mapped_column(String(64))
    wrapped: Mapped[bytes]
    made_at: Mapped[datetime]


class MatchState(Model):
    """Under which key the tokens of an exhibit were made; empty: they are still to be made.

    `index.AGAIN`: they are to be compared once more, since the exhibit may be told of by now.
    """

    __tablename__ = "match_state"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    key_id: Mapped[str] = mapped_column(String(36))
    __table_args__ = (Index("match_state_key", "key_id"),)


class MatchItem(Model):
    """What tokens point to: an exhibit, and the sealed value where likeness is to be verified."""

    __tablename__ = "match_item"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # drawn by chance
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"))
    key_id: Mapped[str] = mapped_column(UUID, ForeignKey("match_key.id"))
    sealed: Mapped[bytes | None]
    __table_args__ = (
        Index("match_item_exhibit", "exhibit_id"),
        Index("match_item_key", "key_id"),
    )


class MatchToken(Model):
    """One token of an item: 16 bytes of an HMAC, which also say of which kind it is."""

    __tablename__ = "match_token"
    token: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    item: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    __table_args__ = (
        Index("match_token_item", "item"),
        {"sqlite_with_rowid": False},
    )


class MatchParty(Model):
    """An institution that takes part in matching, and whom others contact there."""

    __tablename__ = "match_party"
    organisation: Mapped[str] = mapped_column(primary_key=True)  # empty: the house itself
    contact: Mapped[str]
    mode: Mapped[str] = mapped_column(String(16))  # both, owner
    joined_at: Mapped[datetime]
    left_at: Mapped[datetime | None]


class MatchQuery(Model):
    """A question that was answered; it counts against the limits of its person and institution."""

    __tablename__ = "match_query"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    person_id: Mapped[str] = mapped_column(UUID, ForeignKey("person.id"))
    organisation: Mapped[str]
    at: Mapped[datetime]
    index: Mapped[int]  # of its `match_query` entry
    __table_args__ = (
        Index("match_query_person", "person_id", "at"),
        Index("match_query_organisation", "organisation", "at"),
    )


class MatchNotice(Model):
    """What one institution is told: there is a match with another, and whom to contact there."""

    __tablename__ = "match_notice"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    organisation: Mapped[str]  # who is told
    other: Mapped[str]  # about whom
    contact: Mapped[str]  # of the other, at that time
    kinds: Mapped[list[Any]]
    exhibits: Mapped[list[Any]]  # ids of what the one who is told holds; empty: they asked
    person_id: Mapped[str | None] = mapped_column(UUID)  # who asked, where they did
    query_id: Mapped[str | None] = mapped_column(UUID)
    at: Mapped[datetime]
    index: Mapped[int]  # of its `match_notice` entry
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(UUID)
    acknowledged_index: Mapped[int | None]
    __table_args__ = (Index("match_notice_of", "organisation", "id"),)


class RelatedValue(Model):
    """One thing that an exhibit names: a file, a picture's hash, a telephone, a place and time …"""

    __tablename__ = "related_value"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"))
    sealed: Mapped[bytes | None]  # a picture or place: what its distance is measured on
    __table_args__ = (Index("related_value_of", "exhibit_id"),)


class RelatedToken(Model):
    """A token under which a value is found."""

    __tablename__ = "related_token"
    token: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    __table_args__ = (Index("related_token_of", "value"),)

"""The mapped table of search: what is indexed of each exhibit.

On SQLite an FTS5 table stands beside it, on PostgreSQL a GIN index over `tokens`: both are only
ways to find rows by tokens that were made before (`index`).
"""

import struct
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Dialect, ForeignKey, Index, LargeBinary, TypeDecorator, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from repository.columns import UUID, Model


class Tokens(TypeDecorator[tuple[int, ...]]):
    """Sorted tokens: an array on PostgreSQL, which GIN indexes, packed bytes on SQLite."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of the database."""
        found: TypeEngine[Any] = LargeBinary()
        if dialect.name == "postgresql":
            found = ARRAY(BigInteger)
        return dialect.type_descriptor(found)

    def process_bind_param(
        self, value: Sequence[int] | None, dialect: Dialect
    ) -> list[int] | bytes | None:
        """Write tokens."""
        if value is None or dialect.name == "postgresql":
            return None if value is None else list(value)
        return struct.pack(f"<{len(value)}q", *value)

    def process_result_value(
        self, value: list[int] | bytes | None, dialect: Dialect
    ) -> tuple[int, ...] | None:
        """Read tokens."""
        if value is None or not isinstance(value, bytes):
            return None if value is None else tuple(value)
        return struct.unpack(f"<{len(value) // 8}q", value)


_WAITING = text("made < asked")


class SearchExhibit(Model):
    """What search knows of an exhibit; `made` below `asked`: it is to be made, or made anew."""

    __tablename__ = "search_exhibit"
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # index of registration
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), unique=True)
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    submission_id: Mapped[str]
    asked: Mapped[int]  # how often it was to be made
    made: Mapped[int]  # up to which of them it was
    partial: Mapped[bool]  # more stands in it than is indexed
    tokens: Mapped[tuple[int, ...]] = mapped_column(Tokens)
    sightings: Mapped[bytes | None]  # places and times that are compared, sealed (`whereabouts`)
    facets: Mapped[bytes | None]  # values that are counted, sealed (`facets`)
    __table_args__ = (
        Index("search_exhibit_case", "case_id", "n"),
        Index("search_exhibit_waiting", "n", sqlite_where=_WAITING, postgresql_where=_WAITING),
    )

"""What the mapped tables are built of: their base, and how times, ids and digests are kept."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Dialect, LargeBinary, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase

from custody import tables
from custody.entry import timestamp

UUID = String(36)
DIGEST = String(71)


class Moment(TypeDecorator[datetime]):
    """An aware time, kept as RFC 3339 text in UTC: the same on every database."""

    impl = String(24)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Write the text form."""
        return None if value is None else timestamp(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Read the text form as an aware time."""
        return None if value is None else datetime.fromisoformat(value)


class Model(DeclarativeBase):
    """The base of all mapped tables; shares its metadata with the ledger's tables."""

    metadata = tables.metadata
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        int: BigInteger,
        bytes: LargeBinary,
        datetime: Moment,
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }

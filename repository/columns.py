"""What the mapped tables are built of: their base, and how times, ids and digests are kept."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Dialect,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    literal,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine, UserDefinedType

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


class _Array(UserDefinedType[str]):
    """An array that travels as PostgreSQL writes it: as a list the driver looks at each value."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, of: str) -> None:
        """Say of which type its values are."""
        self.of = of

    def get_col_spec(self, **_: Any) -> str:
        """Return the name of the type."""
        return f"{self.of}[]"


class Many(TypeDecorator[Sequence[Any]]):
    """Texts or numbers as one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, *, numbers: bool = False) -> None:
        """Say what they are."""
        super().__init__()
        self.numbers = numbers

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of the database."""
        found: TypeEngine[Any] = Text()
        if dialect.name == "postgresql":
            found = _Array("BIGINT" if self.numbers else "VARCHAR")
        return dialect.type_descriptor(found)

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> str | None:
        """Write them."""
        if value is None:
            return None
        if dialect.name != "postgresql":
            return json.dumps(list(value))
        if self.numbers:
            return f"{{{','.join(map(str, map(int, value)))}}}"
        plain = '","'.join(value)
        if "\\" in plain or plain.count('"') != 2 * (len(value) - 1):
            plain = '","'.join(re.sub(r'(["\\])', r"\\\1", one) for one in value)
        return f'{{"{plain}"}}' if value else "{}"


class _Among(FunctionElement[Any]):
    type = NullType()  # as a Boolean SQLite would be asked for `… = 1`, which no index answers
    inherit_cache = True


def among(column: Any, many: Any) -> ColumnElement[bool]:
    """Return whether a column is one of many texts or numbers: a sequence, or a bound `Many`.

    Unlike `in_`, the question is the same text however many they are, so that it is put together
    once, and one parameter, so that there may be very many.
    """
    if not isinstance(many, ColumnElement):
        numbers = column.type.python_type is int
        many = literal(many, Many(numbers=numbers))
    return _Among(column, many)


@compiles(_Among, "sqlite")
def _among_json(element: _Among, compiler: SQLCompiler, **how: Any) -> str:
    column, many = (compiler.process(one, **how) for one in element.clauses)
    return f"({column} IN (SELECT value FROM json_each({many})))"  # noqa: S608 - compiled SQL


@compiles(_Among, "postgresql")
def _among_array(element: _Among, compiler: SQLCompiler, **how: Any) -> str:
    column, many = (compiler.process(one, **how) for one in element.clauses)
    return f"({column} = ANY ({many}))"

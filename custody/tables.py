"""The ledger's insert-only tables and the triggers that refuse change.

The same on SQLite and PostgreSQL. The triggers are a seat belt against accidents: whoever owns
the database can remove them, and `custody.audit` finds what he then does.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

metadata = MetaData()
_TOGETHER = 500  # in one question to the database

# On SQLite an INTEGER primary key is the row's own number: no second index.
POSITION = BigInteger().with_variant(Integer, "sqlite")

entry = Table(
    "entry",
    metadata,
    Column("idx", POSITION, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("id", String(36), nullable=False, unique=True),
)
entry_exhibit = Table(
    "entry_exhibit",
    metadata,
    Column("exhibit", String(36), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("idx", POSITION, primary_key=True, autoincrement=False),
    UniqueConstraint("exhibit", "seq"),
)
tile = Table(
    "tile",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("hashes", LargeBinary(8192), nullable=False),
)
head = Table(
    "head",
    metadata,
    Column("size", POSITION, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("note", Text, nullable=True),
)
cosignature = Table(
    "cosignature",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("key_name", String(255), primary_key=True),
    Column("line", Text, nullable=False),
    Column("at", String(24), nullable=False),
    Index("cosignature_key", "key_name", "size"),
)
timestamp_token = Table(
    "timestamp_token",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("tsa", String(255), primary_key=True),
    Column("der", LargeBinary, nullable=False),
    Column("at", String(24), nullable=False),
)
evidence_record = Table(
    "evidence_record",
    metadata,
    Column("lo", BigInteger, nullable=False),
    Column("hi", BigInteger, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Index("evidence_record_range", "lo", "hi"),  # a renewed record stands beside the old one
)
opening = Table(
    "opening",
    metadata,
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("field", String(32), primary_key=True),
    Column("subject", String(36), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("opening_subject", "subject"),
)
opening_key = Table(
    "opening_key",
    metadata,
    Column("subject", String(36), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

key_event = Table(
    "key_event",
    metadata,
    Column("idx", POSITION, primary_key=True, autoincrement=False),
    Column("vkey", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("uri", Text, nullable=True),
)

published = Table(
    "published",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
)

INSERT_ONLY = (
    "entry", "entry_exhibit", "tile", "head", "cosignature", "timestamp_token",
    "evidence_record", "opening", "key_event", "published",
)  # fmt: skip


def protect(dialect: str, only: Sequence[str] = INSERT_ONLY) -> list[str]:
    """Return the statements that make the ledger's tables refuse UPDATE and DELETE."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'the custody ledger is append-only: {act} on {table}'); END"
            for table in only
            for act in ("UPDATE", "DELETE")
        ]
    return [
        (
            "CREATE OR REPLACE FUNCTION ledger_refuses() RETURNS trigger "
            "LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'the custody ledger is append-only: % on %', TG_OP, TG_TABLE_NAME; "
            "END $$"
        ),
        *(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuses()"
            for table in only
        ),
    ]


def fetch(session: Session, query: str, values: Sequence[Any] = ()) -> Sequence[Row[Any]]:
    """Return the rows of a query with `?` for its values, straight through the driver.

    For the few queries of every append; building statements took a third of a small one.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        return connection.exec_driver_sql(query, tuple(values)).all()
    return connection.exec_driver_sql(query.replace("?", "%s"), tuple(values)).all()


def fetch_plain(
    session: Session, query: str, values: Sequence[Any] = ()
) -> Sequence[tuple[Any, ...]]:
    """Return the rows as bare tuples, on PostgreSQL in its binary form: for millions of rows."""
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return driver.execute(query, tuple(values)).fetchall()  # type: ignore[no-any-return]
    with driver.cursor(binary=True) as cursor:
        return cursor.execute(query.replace("?", "%s"), tuple(values)).fetchall()  # type: ignore[no-any-return]


def insert_rows(session: Session, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows given as tuples in the order of the table's columns.

    Straight through the driver: building a statement's parameters row by row was a fifth of an
    append.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite" and rows:
        connection.exec_driver_sql(_insert(table, "?"), list(rows))
    elif len(rows) == 1:
        connection.exec_driver_sql(_insert(table, "%s"), rows[0])
    elif rows:
        driver = connection.connection.driver_connection
        assert driver is not None
        names = ", ".join(column.name for column in table.columns)
        copy, failure = (
            f"COPY {table.name} ({names}) FROM STDIN",
            connection.dialect.loaded_dbapi.Error,
        )
        try:
            with driver.cursor() as cursor, cursor.copy(copy) as to:
                for row in rows:
                    to.write_row(row)
        except failure as error:  # as SQLAlchemy would have raised it
            raise DBAPIError.instance(copy, None, error, failure) from error


@lru_cache(maxsize=64)
def _insert(table: Table, mark: str) -> str:
    names = ", ".join(column.name for column in table.columns)
    return f"INSERT INTO {table.name} ({names}) VALUES ({', '.join(mark for _ in table.columns)})"  # noqa: S608 - names of our own tables


def bodies(session: Session, indexes: Sequence[int]) -> dict[int, bytes]:
    """Return the stored bodies of entries by index, of those that there are."""
    found: dict[int, bytes] = {}
    for start in range(0, len(indexes), _TOGETHER):
        some = entry.c.idx.in_(indexes[start : start + _TOGETHER])
        rows = session.execute(select(entry.c.idx, entry.c.body).where(some))
        found |= {index: as_bytes(body) for index, body in rows}
    return found


def histories(session: Session, exhibits: Sequence[str], size: int) -> dict[str, list[int]]:
    """Return the indexes of the entries about each exhibit below a tree size, in order."""
    found: dict[str, list[int]] = {exhibit: [] for exhibit in exhibits}
    for start in range(0, len(exhibits), _TOGETHER):
        about = entry_exhibit.c
        rows = session.execute(
            select(about.exhibit, about.idx)
            .where(about.exhibit.in_(exhibits[start : start + _TOGETHER]), about.idx < size)
            .order_by(about.exhibit, about.seq)
        )
        for exhibit, index in rows:
            found[exhibit].append(index)
    return found


def as_bytes(value: object) -> bytes:
    """Return a stored value as bytes, whatever an intruder put there: SQLite types are loose."""
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return str(value).encode("utf-8", "surrogateescape")

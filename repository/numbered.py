"""The mapped tables of numbers that courts cite by: Numbering, NumberRange, ExternalNumber."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from repository.columns import UUID, Model


class Numbering(Model):
    """How a proceeding numbers what it gives out (ERN, Bates), and which number comes next."""

    __tablename__ = "numbering"
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"), primary_key=True)
    prefix: Mapped[str] = mapped_column(String(40))
    digits: Mapped[int]
    per: Mapped[str] = mapped_column(String(8))  # page, or file
    following: Mapped[int]  # the number that is given next; never less than before
    index: Mapped[int]  # of its last `configuration_change` entry

    def text(self, number: int) -> str:
        """Return a number as it is cited."""
        return f"{self.prefix}{number:0{self.digits}d}"

    def number(self, text: str) -> int | None:
        """Return the number that a citation means; None: it is none of this proceeding's."""
        digits = text.strip().removeprefix(self.prefix)
        whole = self.prefix + digits == text.strip() and len(digits) == self.digits
        return int(digits) if whole and digits.isascii() and digits.isdecimal() else None


class NumberRange(Model):
    """The numbers of one exhibit in one proceeding, given once and for good.

    That none is given twice follows from the key: numbers are taken from `Numbering.following`,
    so that of two who read the same one only the first has a row that begins there.
    """

    __tablename__ = "number_range"
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"), primary_key=True)
    first: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"))
    paged: Mapped[bool]  # a number for each page; else one for the file
    at: Mapped[datetime]
    index: Mapped[int]  # of its `annotation` entry
    __table_args__ = (
        UniqueConstraint("case_id", "exhibit_id", name="number_range_once"),
        UniqueConstraint("case_id", "last", name="number_range_last"),
        Index("number_range_of", "exhibit_id"),
    )


class ExternalNumber(Model):
    """A number that somebody else gave an exhibit: a claim, as who recorded it was told it."""

    __tablename__ = "external_number"
    exhibit_id: Mapped[str] = mapped_column(UUID, ForeignKey("exhibit.id"), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(100), primary_key=True)
    first: Mapped[str] = mapped_column(String(100), primary_key=True)
    last: Mapped[str | None] = mapped_column(String(100))  # of a range
    withdrawn: Mapped[bool]  # it was recorded by mistake
    at: Mapped[datetime]
    index: Mapped[int]  # of its last `annotation` entry
    __table_args__ = (Index("external_number_is", "first"),)


def ranges_of(session: Session, case_id: str, ids: Sequence[str]) -> dict[str, NumberRange]:
    """Return the numbers of exhibits in a proceeding, by exhibit."""
    query = select(NumberRange).where(
        NumberRange.case_id == case_id, NumberRange.exhibit_id.in_(ids)
    )
    return {row.exhibit_id: row for row in session.scalars(query)}


def cited(session: Session, case_id: str, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the first and last number of exhibits in a proceeding as they are cited."""
    scheme = session.get(Numbering, case_id)
    if scheme is None:
        return {}
    return {
        exhibit: {"first": scheme.text(row.first), "last": scheme.text(row.last)}
        for exhibit, row in ranges_of(session, case_id, ids).items()
    }

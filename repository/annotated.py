"""The mapped tables of what people say of exhibits: Annotation, AnnotationVersion. Only added to.

The words themselves stand in the ledger, behind commitments, and nowhere else.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from repository.columns import UUID, Model


class Annotation(Model):
    """A tag, note or assessment of an exhibit, or a selection in a case."""

    __tablename__ = "annotation"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # tag, note, assessment, selection
    case_id: Mapped[str] = mapped_column(UUID, ForeignKey("case_file.id"))
    exhibit_id: Mapped[str | None] = mapped_column(UUID, ForeignKey("exhibit.id"))
    author: Mapped[str] = mapped_column(UUID)
    at: Mapped[datetime]
    __table_args__ = (
        Index("annotation_exhibit", "exhibit_id"),
        Index("annotation_case", "case_id", "kind"),
    )


class AnnotationVersion(Model):
    """One version of an annotation, and the entry that holds its words."""

    __tablename__ = "annotation_version"
    annotation_id: Mapped[str] = mapped_column(
        String(40), ForeignKey("annotation.id"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 1, 2, 3 …
    author: Mapped[str] = mapped_column(UUID)
    at: Mapped[datetime]
    index: Mapped[int]

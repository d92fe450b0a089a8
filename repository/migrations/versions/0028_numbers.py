"""Numbers that courts cite by: how a proceeding numbers, what was given, what others gave."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
MOMENT = sa.String(length=24)


def upgrade() -> None:
    """Make the tables; no proceeding numbers anything yet."""
    op.create_table(
        "numbering",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("prefix", sa.String(length=40), nullable=False),
        sa.Column("digits", sa.BigInteger(), nullable=False),
        sa.Column("per", sa.String(length=8), nullable=False),
        sa.Column("following", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_table(
        "number_range",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("exhibit_id", ID, nullable=False),
        sa.Column("paged", sa.Boolean(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("case_id", "first"),
        sa.UniqueConstraint("case_id", "exhibit_id", name="number_range_once"),
        sa.UniqueConstraint("case_id", "last", name="number_range_last"),
    )
    op.create_index("number_range_of", "number_range", ["exhibit_id"])
    op.create_table(
        "external_number",
        sa.Column("exhibit_id", ID, nullable=False),
        sa.Column("issuer", sa.String(length=100), nullable=False),
        sa.Column("first", sa.String(length=100), nullable=False),
        sa.Column("last", sa.String(length=100), nullable=True),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("exhibit_id", "issuer", "first"),
    )
    op.create_index("external_number_is", "external_number", ["first"])

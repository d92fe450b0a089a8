"""Situations, exhibits of further cases, holds; disclosed is in a proceeding."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
MOMENT = sa.String(length=24)


def upgrade() -> None:
    """Make the tables; what was disclosed so far was disclosed in the exhibit's own case."""
    op.create_table(
        "situation",
        sa.Column("id", ID, nullable=False),
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("organisation", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code"),
    )
    op.create_table(
        "case_situation",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("situation_id", ID, nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.ForeignKeyConstraint(["situation_id"], ["situation.id"]),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_index("case_situation_of", "case_situation", ["situation_id"])
    op.create_table(
        "association",
        sa.Column("exhibit_id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("exhibit_id", "case_id"),
    )
    op.create_index("association_case", "association", ["case_id"])
    op.create_table(
        "hold",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("exhibit_id", ID, nullable=False),
        sa.Column("matter", sa.String(length=200), nullable=False),
        sa.Column("authority", sa.Text(), nullable=True),
        sa.Column("placed_by", ID, nullable=False),
        sa.Column("placed_at", MOMENT, nullable=False),
        sa.Column("released_at", MOMENT, nullable=True),
        sa.Column("followed", sa.Boolean(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("hold_of", "hold", ["exhibit_id", "released_at"])
    op.create_index("hold_followed", "hold", ["followed"])
    _disclosed_in_a_case()


def _disclosed_in_a_case() -> None:
    """Make the table anew: SQLite cannot change a primary key."""
    op.rename_table("disclosed", "disclosed_before")
    op.create_table(
        "disclosed",
        sa.Column("exhibit_id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("party", sa.String(length=200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("exhibit_id", "case_id", "party", name="disclosed_of"),
    )
    op.execute(
        'INSERT INTO disclosed (exhibit_id, case_id, party, at, "index") '
        'SELECT d.exhibit_id, e.case_id, d.party, d.at, d."index" '
        "FROM disclosed_before d JOIN exhibit e ON e.id = d.exhibit_id"
    )
    op.drop_table("disclosed_before")

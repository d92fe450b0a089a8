"""Exports that are made for a download."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
MOMENT = sa.String(length=24)


def upgrade() -> None:
    """Make the table; nothing was asked for so far."""
    op.create_table(
        "bundle",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("assurance", sa.String(length=32), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("report_id", ID, nullable=True),
        sa.Column("tree_size", sa.BigInteger(), nullable=True),
        sa.Column("manifest", sa.String(length=71), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("left_out", sa.JSON(), nullable=True),
        sa.Column("until", MOMENT, nullable=True),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("layout", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("bundle_state", "bundle", ["state", "asked_at"])

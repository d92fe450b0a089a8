"""Finished bundles, and the receipts of those who got them."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
MOMENT = sa.String(length=24)


def upgrade() -> None:
    """Make the table; bundles of before are in the ledger alone, and await no receipt."""
    op.create_table(
        "bundle_made",
        sa.Column("report_id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("tree_size", sa.BigInteger(), nullable=False),
        sa.Column("manifests", sa.JSON(), nullable=False),
        sa.Column("exhibits", sa.JSON(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("receipt", sa.JSON(), nullable=True),
        sa.Column("received_at", MOMENT, nullable=True),
        sa.Column("receipt_index", sa.BigInteger(), nullable=True),
        sa.Column("statements", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.PrimaryKeyConstraint("report_id"),
    )
    op.create_index("bundle_made_of", "bundle_made", ["case_id", "index"])

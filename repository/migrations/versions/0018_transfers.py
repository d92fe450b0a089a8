"""Transfers of custody, other installations' keys, and exhibits with a custody of before."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "transfer",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("exhibit_id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("purpose", sa.JSON(), nullable=False),
        sa.Column("outside", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("released_by", sa.String(length=36), nullable=False),
        sa.Column("released_at", sa.String(length=24), nullable=False),
        sa.Column("provided_at", sa.String(length=24), nullable=True),
        sa.Column("answered_by", sa.String(length=36), nullable=True),
        sa.Column("answered_at", sa.String(length=24), nullable=True),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.BigInteger(), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.PrimaryKeyConstraint("id", "exhibit_id"),
    )
    op.create_index("transfer_case", "transfer", ["case_id", "released_at"])
    op.create_index("transfer_recipient", "transfer", ["recipient", "released_at"])
    op.create_index("transfer_exhibit", "transfer", ["exhibit_id", "state"])
    op.create_table(
        "counterpart",
        sa.Column("vkey", sa.String(length=400), nullable=False),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("added_at", sa.String(length=24), nullable=False),
        sa.Column("ended_at", sa.String(length=24), nullable=True),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("vkey"),
    )
    op.create_index("counterpart_origin", "counterpart", ["origin"])
    op.create_table(
        "quoted",
        sa.Column("exhibit_id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("bundle", sa.String(length=71), nullable=False),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("their_id", sa.String(length=36), nullable=False),
        sa.Column("their_number", sa.String(length=24), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("stored", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(length=71), nullable=False),
        sa.Column("release", sa.String(length=71), nullable=True),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("transfer", sa.String(length=40), nullable=True),
        sa.Column("received", sa.BigInteger(), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.PrimaryKeyConstraint("exhibit_id"),
        sa.UniqueConstraint("release"),
        sa.UniqueConstraint("case_id", "bundle", "their_id"),
    )
    op.create_index("ix_quoted_transfer", "quoted", ["transfer"])

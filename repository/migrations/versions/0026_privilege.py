"""What may be privileged; second reviews, where a proceeding asks; disclosure in batches."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
MOMENT = sa.String(length=24)


def upgrade() -> None:
    """Make the tables; nothing is claimed, nobody asks for a second review, there is no batch."""
    op.create_table(
        "privilege",
        sa.Column("claim", ID, nullable=False),
        sa.Column("exhibit_id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("named", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("claimed_by", ID, nullable=False),
        sa.Column("claimed_at", MOMENT, nullable=False),
        sa.Column("decided_by", ID, nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("claim", "exhibit_id"),
    )
    op.create_index("privilege_of", "privilege", ["exhibit_id", "state"])
    op.create_index("privilege_case", "privilege", ["case_id", "claimed_at"])
    op.create_table(
        "second_review",
        sa.Column("exhibit_id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.Column("reviewer", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("exhibit_id", "case_id"),
    )
    op.create_index("second_review_case", "second_review", ["case_id"])
    op.create_table(
        "review_rule",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("second", sa.Boolean(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_table(
        "disclosure_batch",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("party", sa.String(length=200), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("form", sa.Text(), nullable=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.PrimaryKeyConstraint("case_id", "party", "number"),
    )
    op.add_column("disclosed", sa.Column("batch", sa.BigInteger(), nullable=True))
    op.create_index("disclosed_case", "disclosed", ["case_id", "party"])

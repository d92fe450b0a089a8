"""The disclosure register: what was said of exhibits in proceedings, and the form they went in."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
MOMENT = sa.String(length=24)


def upgrade() -> None:
    """Make the table; nothing is reviewed, and no party has acknowledged anything."""
    op.create_table(
        "review",
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
    op.create_index("review_case", "review", ["case_id"])
    op.add_column("disclosed", sa.Column("form", sa.Text(), nullable=True))
    op.add_column("disclosed", sa.Column("acknowledged_at", MOMENT, nullable=True))

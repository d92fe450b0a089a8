"""Which exhibits were taken out of which others."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; nothing was taken out before."""
    op.create_table(
        "child_exhibit",
        sa.Column("exhibit_id", sa.String(length=36), nullable=False),
        sa.Column("parent_id", sa.String(length=36), nullable=False),
        sa.Column("member_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.ForeignKeyConstraint(["parent_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("exhibit_id"),
        sa.UniqueConstraint("parent_id", "member_sha256"),
    )

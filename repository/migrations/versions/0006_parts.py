"""Flows of ranges are about one part."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the part; flows from before are about exhibits of one."""
    op.add_column("flow", sa.Column("part", sa.BigInteger(), nullable=True))

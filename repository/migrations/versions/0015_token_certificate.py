"""Tokens that work with one client certificate alone."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; no token is bound so far."""
    op.add_column("token", sa.Column("certificate_sha256", sa.String(length=64), nullable=True))

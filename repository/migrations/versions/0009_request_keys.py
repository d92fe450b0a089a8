"""What the keys of requests stand for (`Idempotency-Key`)."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "request_key",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("made", sa.String(length=36), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("busy_until", sa.String(length=24), nullable=True),
        sa.PrimaryKeyConstraint("person_id", "key_sha256"),
    )
    op.create_index("request_key_at", "request_key", ["at"])

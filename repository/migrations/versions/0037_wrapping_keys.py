"""Key-encryption keys after the first, and which wrapped forms of data keys they replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both, empty: the key of the settings wraps as before."""
    op.create_table(
        "wrapping_key",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("uri", sa.Text),
        sa.Column("made_at", sa.String(24), nullable=False),
        sa.Column("used_at", sa.String(24)),
        sa.Column("entry", sa.BigInteger),
        sa.Column("approval", sa.String(40)),
        sa.Column("finished_at", sa.String(24)),
    )
    op.create_table(
        "rewrapped",
        sa.Column("wrapped_sha256", sa.String(64), primary_key=True),
        sa.Column("subject", sa.String(36), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
        sa.Column("followed_at", sa.String(24)),
    )
    op.create_index("rewrapped_of", "rewrapped", ["subject"])
    op.create_index("rewrapped_entry", "rewrapped", ["entry"])
    op.create_index("data_key_kek", "data_key", ["kek"])
    waiting = sa.text("followed_at IS NULL")
    op.create_index(
        "rewrapped_waiting", "rewrapped", ["subject"],
        sqlite_where=waiting, postgresql_where=waiting,
    )  # fmt: skip

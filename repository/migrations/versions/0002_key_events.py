"""Keys of the log (added, retired, compromised), and which checkpoints were published."""

import sqlalchemy as sa
from alembic import op

from custody.tables import protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables and their triggers."""
    op.create_table(
        "key_event",
        sa.Column("idx", POSITION, autoincrement=False, nullable=False),
        sa.Column("vkey", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("idx"),
    )
    op.create_table(
        "published",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("size"),
    )
    for statement in protect(op.get_bind().dialect.name, ["key_event", "published"]):
        op.execute(statement)

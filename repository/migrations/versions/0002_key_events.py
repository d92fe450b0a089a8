"""Keys of the log, which checkpoints were published, and renewed evidence records."""

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
    op.create_index("cosignature_key", "cosignature", ["key_name", "size"])
    # Nothing wrote evidence records before; a renewed one now stands beside the one it renews.
    op.drop_table("evidence_record")
    op.create_table(
        "evidence_record",
        sa.Column("lo", sa.BigInteger(), nullable=False),
        sa.Column("hi", sa.BigInteger(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
    )
    op.create_index("evidence_record_range", "evidence_record", ["lo", "hi"])
    names = ["key_event", "published", "evidence_record"]
    for statement in protect(op.get_bind().dialect.name, names):
        op.execute(statement)

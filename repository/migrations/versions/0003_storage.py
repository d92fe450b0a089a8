"""Data keys, copies, trials of the locks, fixity runs, flows of ranges, erasures."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.String(length=24)
UUID = sa.String(length=36)


def upgrade() -> None:
    """Make the tables; exhibits of before are not encrypted and have no copies."""
    op.add_column("part", sa.Column("further", sa.JSON(), nullable=True))
    op.add_column("part", sa.Column("encryption", sa.String(length=32), nullable=True))
    for name in ("checked_at", "copied_at", "locked_until", "erased_at"):
        op.add_column("exhibit", sa.Column(name, MOMENT, nullable=True))
    op.create_index("exhibit_checked", "exhibit", ["checked_at"])
    op.create_index("exhibit_copied", "exhibit", ["copied_at"])
    op.create_index("exhibit_locked", "exhibit", ["locked_until"])
    op.create_index("intake_key", "intake", ["key"])
    op.create_index("intake_state", "intake", ["state", "started_at"])
    op.create_table(
        "chore",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("done_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "stray",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", "version"),
    )
    op.create_table(
        "data_key",
        sa.Column("subject", UUID, nullable=False),
        sa.Column("kek", sa.String(length=64), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("subject"),
    )
    op.create_table(
        "object_copy",
        sa.Column("exhibit_id", UUID, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("place", sa.String(length=16), nullable=False),
        sa.Column("stored", sa.JSON(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("exhibit_id", "key", "place"),
    )
    op.create_table(
        "store_trial",
        sa.Column("place", sa.String(length=16), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("strength", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
    op.create_table(
        "fixity_run",
        sa.Column("id", UUID, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("last", sa.String(length=24), nullable=False),
        sa.Column("checked", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("undone", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "flow",
        sa.Column("request_id", UUID, nullable=False),
        sa.Column("person_id", UUID, nullable=False),
        sa.Column("exhibit_id", UUID, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.JSON(), nullable=False),
        sa.Column("withheld", sa.JSON(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("flow_open", "flow", ["fingerprint", "closed_at"])
    op.create_table(
        "flow_range",
        sa.Column("id", UUID, nullable=False),
        sa.Column("request_id", UUID, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["request_id"], ["flow.request_id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("flow_range_of", "flow_range", ["request_id"])
    op.create_table(
        "erasure",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("exhibit_id", UUID, nullable=False),
        sa.Column("document", sa.String(length=71), nullable=False),
        sa.Column("requested_by", UUID, nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("decided_by", UUID, nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("wrapped_sha256", sa.String(length=64), nullable=True),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("erasure_state", "erasure", ["state"])

"""Announced files, resumable uploads and their pieces, exhibits of several parts, machines."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.String(length=24)
UUID = sa.String(length=36)
SUBMISSION = sa.String(length=40)


def upgrade() -> None:
    """Make the tables; what was taken in before has one part."""
    _intake_by_part()
    for column in (
        sa.Column("touched_at", MOMENT, nullable=True),
        sa.Column("list_sha256", sa.String(length=71), nullable=True),
        sa.Column("list_index", sa.BigInteger(), nullable=True),
        sa.Column("done_index", sa.BigInteger(), nullable=True),
    ):
        op.add_column("submission", column)
    op.create_index("submission_case", "submission", ["case_id", "completed_at"])
    op.create_table(
        "announced",
        sa.Column("submission_id", SUBMISSION, nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("path_sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digests", sa.JSON(), nullable=False),
        sa.Column("claims", sa.JSON(), nullable=True),
        sa.Column("thing", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("exhibit_id", UUID, nullable=True),
        sa.Column("staged", sa.JSON(), nullable=True),
        sa.Column("index", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"]),
        sa.PrimaryKeyConstraint("submission_id", "n"),
    )
    op.create_index("announced_state", "announced", ["submission_id", "state", "n"])
    op.create_index("exhibit_registration", "exhibit", ["submission_id", "registration"])
    op.create_index("announced_thing", "announced", ["submission_id", "thing"])
    op.create_index("announced_path", "announced", ["submission_id", "path_sha256"])
    op.create_index("announced_exhibit", "announced", ["exhibit_id"])
    op.create_table(
        "upload",
        sa.Column("id", UUID, nullable=False),
        sa.Column("person_id", UUID, nullable=False),
        sa.Column("actor", sa.JSON(), nullable=False),
        sa.Column("case_id", UUID, nullable=True),
        sa.Column("submission_id", SUBMISSION, nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("told", sa.Text(), nullable=True),
        sa.Column("digests", sa.JSON(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=True),
        sa.Column("last", sa.BigInteger(), nullable=True),
        sa.Column("partials", sa.JSON(), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("writer", UUID, nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("exhibit_id", UUID, nullable=True),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("results", sa.JSON(), nullable=True),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("touched_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("upload_state", "upload", ["state", "touched_at"])
    op.create_index("upload_submission", "upload", ["submission_id"])
    op.create_table(
        "piece",
        sa.Column("upload_id", UUID, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("stored", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["upload_id"], ["upload.id"]),
        sa.PrimaryKeyConstraint("upload_id", "start"),
    )
    op.create_index("piece_key", "piece", ["key"])
    op.create_table(
        "machine",
        sa.Column("id", UUID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("beat_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("machine_beat", "machine", ["beat_at"])


def _intake_by_part() -> None:
    """Make the table of intents anew: SQLite cannot change a primary key."""
    for name in ("intake_path", "intake_key", "intake_state"):
        op.drop_index(name, "intake")
    op.rename_table("intake", "intake_before")
    op.create_table(
        "intake",
        sa.Column("exhibit_id", UUID, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("submission_id", SUBMISSION, nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("path_sha256", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"]),
        sa.PrimaryKeyConstraint("exhibit_id", "part", name="intake_by_part"),
    )
    same = "submission_id, path, path_sha256, key, started_at, state"
    op.execute(
        f"INSERT INTO intake (exhibit_id, part, {same}) "  # noqa: S608 - names of our own
        f"SELECT exhibit_id, 1, {same} FROM intake_before"
    )
    op.drop_table("intake_before")
    op.create_index("intake_path", "intake", ["submission_id", "path_sha256"])
    op.create_index("intake_key", "intake", ["key"])
    op.create_index("intake_state", "intake", ["state", "started_at"])

"""The first tables: ledger, people, cases, submissions, exhibits."""

import sqlalchemy as sa
from alembic import op

from custody.tables import protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PROTECTED = (
    "entry", "entry_exhibit", "tile", "head", "cosignature", "timestamp_token",
    "evidence_record", "opening",
)  # fmt: skip
POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table, then the triggers that keep the ledger append-only."""
    op.create_table(
        "case_file",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("exhibits", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code"),
    )
    op.create_table(
        "cosignature",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_name", sa.String(length=255), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("size", "key_name"),
    )
    op.create_table(
        "entry",
        sa.Column("idx", POSITION, autoincrement=False, nullable=False),
        sa.Column("leaf", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("idx"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "entry_exhibit",
        sa.Column("exhibit", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", POSITION, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("idx"),
        sa.UniqueConstraint("exhibit", "seq"),
    )
    op.create_table(
        "evidence_record",
        sa.Column("lo", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hi", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("lo", "hi"),
    )
    op.create_table(
        "head",
        sa.Column("size", POSITION, autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("size"),
    )
    op.create_table(
        "opening",
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("field", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=36), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("idx", "field"),
    )
    op.create_index("opening_subject", "opening", ["subject"], unique=False)
    op.create_table(
        "opening_key",
        sa.Column("subject", sa.String(length=36), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("login", sa.Text(), nullable=True),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("login"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "tile",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hashes", sa.LargeBinary(length=8192), nullable=False),
        sa.PrimaryKeyConstraint("level", "n"),
    )
    op.create_table(
        "timestamp_token",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tsa", sa.String(length=255), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("size", "tsa"),
    )
    op.create_table(
        "case_grant",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("granted_at", sa.String(24), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["case_file.id"],
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("case_id", "person_id", "role"),
    )
    op.create_table(
        "submission",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("declared", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("opened_at", sa.String(24), nullable=False),
        sa.Column("completed_at", sa.String(24), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["case_file.id"],
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("submission_fingerprint", "submission", ["fingerprint"], unique=False)
    op.create_table(
        "token",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.Column("expires_at", sa.String(24), nullable=True),
        sa.Column("revoked_at", sa.String(24), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "exhibit",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("submission_id", sa.String(length=40), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("path_sha256", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("family", sa.String(length=16), nullable=False),
        sa.Column("registered_at", sa.String(24), nullable=False),
        sa.Column("registration", sa.BigInteger(), nullable=False),
        sa.Column("processed_at", sa.String(24), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["case_file.id"],
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"],
            ["submission.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("case_id", "serial"),
        sa.UniqueConstraint("number"),
    )
    op.create_index("exhibit_sha256", "exhibit", ["sha256"], unique=False)
    op.create_index(
        "exhibit_submission", "exhibit", ["submission_id", "path_sha256", "sha256"], unique=False
    )
    op.create_index("exhibit_unprocessed", "exhibit", ["processed_at"], unique=False)
    op.create_table(
        "intake",
        sa.Column("exhibit_id", sa.String(length=36), nullable=False),
        sa.Column("submission_id", sa.String(length=40), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("path_sha256", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("started_at", sa.String(24), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["submission_id"],
            ["submission.id"],
        ),
        sa.PrimaryKeyConstraint("exhibit_id"),
    )
    op.create_index("intake_path", "intake", ["submission_id", "path_sha256"], unique=False)
    op.create_table(
        "quarantined",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("exhibit_id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("submission_id", sa.String(length=40), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("staged", sa.JSON(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["case_file.id"],
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"],
            ["submission.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("exhibit_id"),
    )
    op.create_table(
        "extraction_run",
        sa.Column("exhibit_id", sa.String(length=36), nullable=False),
        sa.Column("run", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("mime", sa.Text(), nullable=True),
        sa.Column("mismatch", sa.Boolean(), nullable=False),
        sa.Column("facts", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("record_sha256", sa.String(length=71), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.ForeignKeyConstraint(
            ["exhibit_id"],
            ["exhibit.id"],
        ),
        sa.PrimaryKeyConstraint("exhibit_id", "run"),
    )
    op.create_table(
        "part",
        sa.Column("exhibit_id", sa.String(length=36), nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digests", sa.JSON(), nullable=False),
        sa.Column("chunk_count", sa.BigInteger(), nullable=False),
        sa.Column("chunk_root", sa.String(length=71), nullable=False),
        sa.Column("stored", sa.JSON(), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["exhibit_id"],
            ["exhibit.id"],
        ),
        sa.PrimaryKeyConstraint("exhibit_id", "part"),
    )
    for statement in protect(op.get_bind().dialect.name, PROTECTED):
        op.execute(statement)

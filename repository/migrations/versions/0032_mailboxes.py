"""Mailboxes of people who report without a name, and what comes to them."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

ID = sa.String(length=36)


def upgrade() -> None:
    """Make the tables; nobody has reported yet."""
    op.create_table(
        "mailbox",
        sa.Column("id", ID, nullable=False),
        sa.Column("opens", sa.String(length=71), nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("alias", sa.String(length=24), nullable=False),
        sa.Column("submission_id", sa.String(length=40), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("heard", sa.String(length=8), nullable=False),
        sa.Column("consent", sa.JSON(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("alias"),
        sa.UniqueConstraint("opens"),
        sa.UniqueConstraint("submission_id"),
    )
    op.create_table(
        "letter",
        sa.Column("id", ID, nullable=False),
        sa.Column("mailbox_id", ID, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("head", sa.String(length=71), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("exhibit_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailbox.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("letter_mailbox", "letter", ["mailbox_id", "number"], unique=True)
    op.create_index("letter_state", "letter", ["state", "day"])
    op.create_table(
        "letter_piece",
        sa.Column("letter_id", ID, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("stored", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["letter_id"], ["letter.id"]),
        sa.PrimaryKeyConstraint("letter_id", "start"),
    )
    op.create_index("letter_piece_key", "letter_piece", ["key"])

"""Hit or no hit across institutions: keys, tokens, who takes part, questions and notices."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_ID = sa.String(length=36)
_TIME = sa.String(length=24)


def upgrade() -> None:
    """Make the tables; exhibits that were looked at wait for their tokens."""
    op.create_table(
        "match_key",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kek", sa.String(length=64), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "match_state",
        sa.Column("exhibit_id", _ID, nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("exhibit_id"),
    )
    op.create_index("match_state_key", "match_state", ["key_id"])
    op.execute(
        "INSERT INTO match_state (exhibit_id, key_id) "
        "SELECT id, '' FROM exhibit WHERE processed_at IS NOT NULL AND erased_at IS NULL"
    )
    op.create_table(
        "match_item",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("exhibit_id", _ID, nullable=False),
        sa.Column("key_id", _ID, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.ForeignKeyConstraint(["key_id"], ["match_key.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("match_item_exhibit", "match_item", ["exhibit_id"])
    op.create_index("match_item_key", "match_item", ["key_id"])
    op.create_table(
        "match_token",
        sa.Column("token", sa.LargeBinary(length=16), nullable=False),
        sa.Column("item", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("token", "item"),
        sqlite_with_rowid=False,
    )
    op.create_index("match_token_item", "match_token", ["item"])
    op.create_table(
        "match_party",
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("joined_at", _TIME, nullable=False),
        sa.Column("left_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("organisation"),
    )
    op.create_table(
        "match_query",
        sa.Column("id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("match_query_person", "match_query", ["person_id", "at"])
    op.create_index("match_query_organisation", "match_query", ["organisation", "at"])
    op.create_table(
        "match_notice",
        sa.Column("id", _ID, nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("exhibits", sa.JSON(), nullable=False),
        sa.Column("person_id", _ID, nullable=True),
        sa.Column("query_id", _ID, nullable=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", _TIME, nullable=True),
        sa.Column("acknowledged_by", _ID, nullable=True),
        sa.Column("acknowledged_index", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("match_notice_of", "match_notice", ["organisation", "id"])

"""Search: the tokens of exhibits; all that were looked at are to be indexed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
WAITING = sa.text("made < asked")

POSTGRESQL = """
    INSERT INTO search_exhibit
        (n, exhibit_id, case_id, submission_id, asked, made, partial, tokens)
    SELECT registration, id, case_id, submission_id, 1, 0, false, '{}'
    FROM exhibit WHERE processed_at IS NOT NULL
"""
SQLITE = POSTGRESQL.replace("false, '{}'", "0, X''")


def upgrade() -> None:
    """Make the table, its index of tokens, and a row for every exhibit that was looked at."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    tokens = ARRAY(sa.BigInteger()) if postgresql else sa.LargeBinary()
    op.create_table(
        "search_exhibit",
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("exhibit_id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("submission_id", sa.Text(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("made", sa.BigInteger(), nullable=False),
        sa.Column("partial", sa.Boolean(), nullable=False),
        sa.Column("tokens", tokens, nullable=False),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.PrimaryKeyConstraint("n"),
        sa.UniqueConstraint("exhibit_id"),
    )
    op.create_index("search_exhibit_case", "search_exhibit", ["case_id", "n"])
    op.create_index(
        "search_exhibit_waiting", "search_exhibit", ["n"],
        sqlite_where=WAITING, postgresql_where=WAITING,
    )  # fmt: skip
    op.execute(POSTGRESQL if postgresql else SQLITE)
    if postgresql:
        op.create_index(
            "search_exhibit_tokens", "search_exhibit", ["tokens"], postgresql_using="gin"
        )
    else:  # words are tokens already: nothing is folded twice, and no position is kept
        op.execute(
            "CREATE VIRTUAL TABLE search_fts USING fts5(t, content='', columnsize=0, "
            "detail=none, tokenize='ascii')"
        )

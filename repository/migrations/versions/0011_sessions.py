"""Sessions of browsers."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
NAME = sa.String(length=32)
MOMENT = sa.String(length=24)


def upgrade() -> None:
    """Make the table; nobody is signed in."""
    op.create_table(
        "web_session",
        sa.Column("id", NAME, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("token_id", NAME, nullable=True),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("authenticated_at", MOMENT, nullable=True),
        sa.Column("used_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.ForeignKeyConstraint(["token_id"], ["token.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("web_session_person", "web_session", ["person_id", "ended_at"])

"""Indexes of what every search asks: what somebody takes part in, and what was erased."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_ERASED = sa.text("erased_at IS NOT NULL")


def upgrade() -> None:
    """Make them; nothing of what is stored changes."""
    op.create_index("case_grant_person", "case_grant", ["person_id"])
    op.create_index(
        "exhibit_erased", "exhibit", ["id"], sqlite_where=_ERASED, postgresql_where=_ERASED
    )

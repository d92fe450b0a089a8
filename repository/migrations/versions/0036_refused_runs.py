"""An index of what could not be looked into, which `evidence status` counts."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_REFUSED = sa.text("outcome = 'refused'")


def upgrade() -> None:
    """Make it; nothing of what is stored changes."""
    op.create_index(
        "extraction_run_refused",
        "extraction_run",
        ["exhibit_id"],
        sqlite_where=_REFUSED,
        postgresql_where=_REFUSED,
    )

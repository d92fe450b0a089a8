"""Links to accounts elsewhere end, and are kept, once they have signed somebody in."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

MOMENT = sa.String(length=24)


def upgrade() -> None:
    """Add the columns; a link that is there is taken for one that was used."""
    op.add_column("identity_link", sa.Column("used_at", MOMENT, nullable=True))
    op.add_column("identity_link", sa.Column("ended_at", MOMENT, nullable=True))
    op.execute("UPDATE identity_link SET used_at = linked_at")

"""Search by place and time: what is compared, sealed; all exhibits are to be indexed anew."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and have workers make every exhibit's tokens anew."""
    op.add_column("search_exhibit", sa.Column("sightings", sa.LargeBinary(), nullable=True))
    op.execute("UPDATE search_exhibit SET asked = asked + 1")

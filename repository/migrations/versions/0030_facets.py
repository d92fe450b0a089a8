"""Search by facets: values that are counted, sealed; all exhibits are to be indexed anew."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and have workers make every exhibit's tokens anew."""
    op.add_column("search_exhibit", sa.Column("facets", sa.LargeBinary(), nullable=True))
    op.execute("UPDATE search_exhibit SET asked = asked + 1")

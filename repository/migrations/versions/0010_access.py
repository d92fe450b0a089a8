"""Organisations, identities, markings, what was disclosed to parties, and two-person decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
SUBJECT = sa.String(length=40)
MOMENT = sa.String(length=24)


def upgrade() -> None:
    """Make the tables; everybody known so far is one identity, and every case the house's own."""
    op.create_table(
        "organisation",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.execute(
        "INSERT INTO organisation (name, kind, created_at) SELECT organisation, 'unstated', "
        "min(created_at) FROM person WHERE organisation IS NOT NULL GROUP BY organisation"
    )
    op.add_column("person", sa.Column("identity", ID, nullable=True))
    op.add_column("person", sa.Column("ended_at", MOMENT, nullable=True))
    op.add_column("token", sa.Column("submission_id", SUBJECT, nullable=True))
    op.add_column("case_file", sa.Column("organisation", sa.Text(), nullable=True))
    op.add_column("case_grant", sa.Column("party", sa.Text(), nullable=True))
    op.add_column("case_grant", sa.Column("until", MOMENT, nullable=True))
    op.create_table(
        "marking",
        sa.Column("subject", SUBJECT, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("marking", sa.JSON(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.PrimaryKeyConstraint("subject"),
    )
    op.create_table(
        "disclosed",
        sa.Column("exhibit_id", ID, nullable=False),
        sa.Column("party", sa.String(length=200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"]),
        sa.PrimaryKeyConstraint("exhibit_id", "party"),
    )
    op.create_table(
        "approval",
        sa.Column("id", SUBJECT, nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("subject", SUBJECT, nullable=False),
        sa.Column("case_id", ID, nullable=True),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("requested_by", ID, nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("decided_by", ID, nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("until", MOMENT, nullable=True),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("approval_state", "approval", ["state", "requested_at"])
    op.create_index("approval_effect", "approval", ["subject", "requested_by", "state"])

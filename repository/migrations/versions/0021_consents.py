"""Consent of owners; institutions that left, who follows them, and uses on record of them."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
SUBJECT = sa.String(length=40)
MOMENT = sa.String(length=24)


def upgrade() -> None:
    """Make the tables; nobody has left, and nothing is asked."""
    op.add_column("organisation", sa.Column("ended_at", MOMENT, nullable=True))
    op.add_column("organisation", sa.Column("successor", sa.Text(), nullable=True))
    op.add_column("organisation", sa.Column("uses", sa.JSON(), nullable=True))
    op.create_table(
        "consent",
        sa.Column("id", SUBJECT, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=True),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("requested_by", ID, nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("answered_by", ID, nullable=True),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.Column("withdrawn_at", MOMENT, nullable=True),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("consent_owner", "consent", ["owner", "state"])
    op.create_index("consent_case", "consent", ["case_id", "requested_at"])
    op.create_index("consent_recipient", "consent", ["recipient"])
    op.create_table(
        "consent_subject",
        sa.Column("consent_id", SUBJECT, nullable=False),
        sa.Column("subject", SUBJECT, nullable=False),
        sa.ForeignKeyConstraint(["consent_id"], ["consent.id"]),
        sa.PrimaryKeyConstraint("consent_id", "subject"),
    )
    op.create_index("consent_subject_of", "consent_subject", ["subject"])

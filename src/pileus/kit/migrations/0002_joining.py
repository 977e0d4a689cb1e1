"""Tokens that machines join with, and the certificates of those that did."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "kit_0002"
down_revision = "kit_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables exist."""
    op.create_table(
        "host_certificates",
        sa.Column("host", db.Name(), nullable=False),
        sa.Column("serial", db.Name(), nullable=False),
        sa.Column("former_serial", db.Name(), nullable=True),
        sa.Column("joined", db.Moment(), nullable=False),
        sa.Column("expires", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_host_certificates")),
    )
    op.create_table(
        "join_tokens",
        sa.Column("digest", db.Name(), nullable=False),
        sa.Column("expires", db.Moment(), nullable=False),
        sa.Column("used", db.Moment(), nullable=True),
        sa.Column("host", db.Name(), nullable=True),
        sa.Column("key", db.Name(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_join_tokens")),
    )

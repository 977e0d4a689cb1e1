"""Fabric changes."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0011"
down_revision = "network_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fabric_changes",
        sa.Column("number", db.BigInteger(), nullable=False),
        sa.Column("part", db.Name(), nullable=False),
        sa.Column("subject", db.Name(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_fabric_changes")),
    )

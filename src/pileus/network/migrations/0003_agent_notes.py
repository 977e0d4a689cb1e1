"""Agent notes."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0003"
down_revision = "network_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_notes",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("description", db.Name(), nullable=True),
        sa.Column("deleted_at", db.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_notes")),
    )

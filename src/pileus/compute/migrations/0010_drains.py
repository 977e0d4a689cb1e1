"""Drains."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "compute_0010"
down_revision = "compute_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drained_servers",
        sa.Column("host", db.Name(), nullable=False),
        sa.Column("server_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("way", db.Name(), nullable=False),
        sa.Column("operation", db.Id(), nullable=True),
        sa.Column("state", db.Name(), nullable=False),
        sa.Column("why", db.Text(), nullable=True),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("host", "server_id", name=op.f("pk_drained_servers")),
    )
    with op.batch_alter_table("drained_servers", schema=None) as batch_op:
        batch_op.create_index("drained_servers_by_state", ["state"], unique=False)

    op.create_table(
        "host_drains",
        sa.Column("host", db.Name(), nullable=False),
        sa.Column("live_only", db.Boolean(), nullable=False),
        sa.Column("since", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_host_drains")),
    )

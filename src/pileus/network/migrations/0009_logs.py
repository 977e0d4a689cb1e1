"""Logs."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0009"
down_revision = "network_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "logs",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("enabled", db.Boolean(), nullable=False),
        sa.Column("event", db.Name(), nullable=False),
        sa.Column("resource_type", db.Name(), nullable=False),
        sa.Column("resource_id", db.Id(), nullable=True),
        sa.Column("target_id", db.Id(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logs")),
    )
    with op.batch_alter_table("logs", schema=None) as batch_op:
        batch_op.create_index("logs_of_project", ["project_id"], unique=False)

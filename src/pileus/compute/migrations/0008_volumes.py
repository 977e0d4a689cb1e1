"""Volumes."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "compute_0008"
down_revision = "compute_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "server_volumes",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("server_id", db.Id(), nullable=False),
        sa.Column("volume_id", db.Id(), nullable=False),
        sa.Column("attachment_id", db.Id(), nullable=False),
        sa.Column("place", db.Integer(), nullable=False),
        sa.Column("boot_index", db.Integer(), nullable=True),
        sa.Column("delete_on_termination", db.Boolean(), nullable=False),
        sa.Column("tag", db.Name(), nullable=True),
        sa.Column("source", db.Json(), nullable=True),
        sa.Column("connected", db.Json(), nullable=True),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_volumes")),
        sa.UniqueConstraint("server_id", "place", name=op.f("uq_server_volumes_server_id_place")),
        sa.UniqueConstraint("server_id", "volume_id", name=op.f("uq_server_volumes_server_id_volume_id")),
    )
    with op.batch_alter_table("server_volumes", schema=None) as batch_op:
        batch_op.create_index("server_volumes_of_volume", ["volume_id"], unique=False)

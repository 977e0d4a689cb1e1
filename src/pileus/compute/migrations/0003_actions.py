"""Actions."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "compute_0003"
down_revision = "compute_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("phase", db.Name(), nullable=True))
        batch_op.add_column(sa.Column("disk_generation", db.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("rescue", db.Json(), nullable=True))
        batch_op.add_column(sa.Column("resized", db.Json(), nullable=True))
        batch_op.add_column(sa.Column("shelf", db.Id(), nullable=True))
        batch_op.add_column(sa.Column("config_drive", db.Boolean(), server_default=sa.false(), nullable=False))

"""Stores of backups that several hosts have."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "block_storage_0004"
down_revision = "block_storage_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("volume_backups", schema=None) as batch_op:
        batch_op.add_column(sa.Column("store", db.Text(), nullable=True))

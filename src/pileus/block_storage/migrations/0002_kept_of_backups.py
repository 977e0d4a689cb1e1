"""Kept of backups."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "block_storage_0002"
down_revision = "block_storage_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("volume_backups", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stored_as", db.Id(), nullable=True))
        batch_op.add_column(sa.Column("kept", db.Json(), nullable=True))
        batch_op.create_index("volume_backups_stored_as", ["stored_as"], unique=False)

"""Keys of encrypted disks."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "block_storage_0003"
down_revision = "block_storage_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("volumes", "volume_snapshots", "volume_backups"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("key_id", db.Id(), nullable=True))
            batch_op.add_column(sa.Column("sealed_key", db.Text(), nullable=True))

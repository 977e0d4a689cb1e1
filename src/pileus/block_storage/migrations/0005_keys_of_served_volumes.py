"""Keys of volumes that hosts serve one another."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "block_storage_0005"
down_revision = "block_storage_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("volume_attachments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sealed_key", db.Text(), nullable=True))

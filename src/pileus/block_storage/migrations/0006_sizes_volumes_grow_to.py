"""How large volumes will be that grow just now."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "block_storage_0006"
down_revision = "block_storage_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("volumes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("wanted_size", db.Integer(), nullable=True))

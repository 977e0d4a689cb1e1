"""Image certificates."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "compute_0013"
down_revision = "compute_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("certificates", db.Json(), nullable=True))

"""Hurried migrations."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "compute_0009"
down_revision = "compute_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("migrations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hurry", db.Boolean(), server_default=sa.false(), nullable=False))

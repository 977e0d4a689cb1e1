"""Successors of volumes."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "compute_0011"
down_revision = "compute_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("server_volumes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("edition", db.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("successor", db.Json(), nullable=True))

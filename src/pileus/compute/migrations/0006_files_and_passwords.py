"""Files and passwords."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "compute_0006"
down_revision = "compute_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("files", db.Json(), server_default=sa.text("'[]'"), nullable=False))
        batch_op.add_column(sa.Column("password", db.Text(), nullable=True))

"""Zone hints."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0015"
down_revision = "network_0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("networks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("zone_hints", db.Json(), server_default=sa.text("'[]'"), nullable=False))

    with op.batch_alter_table("routers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("zone_hints", db.Json(), server_default=sa.text("'[]'"), nullable=False))

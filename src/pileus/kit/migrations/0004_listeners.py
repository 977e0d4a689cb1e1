"""Which controller a host listens to, and where a cloud has what it has once."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "kit_0004"
down_revision = "kit_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables exist."""
    op.create_table(
        "host_listeners",
        sa.Column("host", db.Name(), nullable=False),
        sa.Column("controller", db.Name(), nullable=False),
        sa.Column("address", db.Name(), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_host_listeners")),
    )
    op.create_table(
        "cloud_addresses",
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("address", db.Name(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cloud_addresses")),
    )

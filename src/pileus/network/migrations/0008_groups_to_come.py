"""Groups to come."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0008"
down_revision = "network_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "default_rules",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("direction", db.Name(), nullable=False),
        sa.Column("ethertype", db.Name(), nullable=False),
        sa.Column("protocol", db.Name(), nullable=True),
        sa.Column("port_min", db.Integer(), nullable=True),
        sa.Column("port_max", db.Integer(), nullable=True),
        sa.Column("remote_prefix", db.Name(), nullable=True),
        sa.Column("remote_group", db.Name(), nullable=True),
        sa.Column("address_group", db.Id(), nullable=True),
        sa.Column("in_default", db.Boolean(), nullable=False),
        sa.Column("in_others", db.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_default_rules")),
    )
    op.create_table(
        "dropped_rules",
        sa.Column("id", db.Id(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dropped_rules")),
    )
    op.create_table(
        "group_statefulness",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("stateful", db.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_statefulness")),
    )
    with op.batch_alter_table("group_statefulness", schema=None) as batch_op:
        batch_op.create_index("one_statefulness", ["project_id"], unique=True)

"""Port forwardings."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0006"
down_revision = "network_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "port_forwardings",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("floating_ip_id", db.Id(), nullable=False),
        sa.Column("port_id", db.Id(), nullable=False),
        sa.Column("protocol", db.Name(), nullable=False),
        sa.Column("address", db.Name(), nullable=False),
        sa.Column("inner_first", db.Integer(), nullable=False),
        sa.Column("outer_first", db.Integer(), nullable=False),
        sa.Column("count", db.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["floating_ip_id"], ["floating_ips.id"], name=op.f("fk_port_forwardings_floating_ip_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["port_id"], ["ports.id"], name=op.f("fk_port_forwardings_port_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_port_forwardings")),
    )
    with op.batch_alter_table("port_forwardings", schema=None) as batch_op:
        batch_op.create_index("forwardings_to_port", ["port_id"], unique=False)
        batch_op.create_index("one_such_forwarding", ["floating_ip_id", "protocol", "outer_first"], unique=True)

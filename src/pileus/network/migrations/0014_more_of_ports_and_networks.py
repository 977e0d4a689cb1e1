"""More of ports and networks."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0014"
down_revision = "network_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("networks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("vlan_transparent", db.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("qinq", db.Boolean(), server_default=sa.false(), nullable=False))

    with op.batch_alter_table("ports", schema=None) as batch_op:
        batch_op.add_column(sa.Column("dns_domain", db.Name(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("own_domain", db.Name(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("numa_policy", db.Name(), nullable=True))
        batch_op.add_column(sa.Column("device_profile", db.Name(), nullable=True))

    with op.batch_alter_table("routers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("bfd", db.Boolean(), server_default=sa.false(), nullable=False))

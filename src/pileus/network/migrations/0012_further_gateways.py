"""Further gateways."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0012"
down_revision = "network_0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "further_gateways",
        sa.Column("port_id", db.Id(), nullable=False),
        sa.Column("router_id", db.Id(), nullable=False),
        sa.Column("network_id", db.Id(), nullable=False),
        sa.Column("snat", db.Boolean(), nullable=False),
        sa.Column("number", db.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["port_id"], ["ports.id"], name=op.f("fk_further_gateways_port_id")),
        sa.ForeignKeyConstraint(["router_id"], ["routers.id"], name=op.f("fk_further_gateways_router_id")),
        sa.PrimaryKeyConstraint("port_id", name=op.f("pk_further_gateways")),
    )
    with op.batch_alter_table("further_gateways", schema=None) as batch_op:
        batch_op.create_index("further_gateways_of_router", ["router_id", "number"], unique=False)
        batch_op.create_index("further_gateways_out", ["network_id"], unique=False)

    with op.batch_alter_table("routers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("ecmp", db.Boolean(), server_default=sa.false(), nullable=False))

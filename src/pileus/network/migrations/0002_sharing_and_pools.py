"""Sharing and pools."""

import uuid

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0002"
down_revision = "network_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "address_scopes",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("ip_version", db.Integer(), nullable=False),
        sa.Column("shared", db.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_scopes")),
    )
    with op.batch_alter_table("address_scopes", schema=None) as batch_op:
        batch_op.create_index("address_scopes_of_project", ["project_id"], unique=False)

    op.create_table(
        "rbac_policies",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("object_type", db.Name(), nullable=False),
        sa.Column("object_id", db.Id(), nullable=False),
        sa.Column("action", db.Name(), nullable=False),
        sa.Column("target", db.Name(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rbac_policies")),
    )
    with op.batch_alter_table("rbac_policies", schema=None) as batch_op:
        batch_op.create_index("one_such_policy", ["object_id", "action", "target"], unique=True)
        batch_op.create_index("policies_for_target", ["target"], unique=False)
        batch_op.create_index("policies_of_project", ["project_id"], unique=False)

    op.create_table(
        "subnetpools",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("ip_version", db.Integer(), nullable=False),
        sa.Column("prefixes", db.Json(), nullable=False),
        sa.Column("default_prefixlen", db.Integer(), nullable=False),
        sa.Column("min_prefixlen", db.Integer(), nullable=False),
        sa.Column("max_prefixlen", db.Integer(), nullable=False),
        sa.Column("default_quota", db.BigInteger(), nullable=True),
        sa.Column("address_scope_id", db.Id(), nullable=True),
        sa.Column("shared", db.Boolean(), nullable=False),
        sa.Column("is_default", db.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["address_scope_id"], ["address_scopes.id"], name=op.f("fk_subnetpools_address_scope_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subnetpools")),
    )
    with op.batch_alter_table("subnetpools", schema=None) as batch_op:
        batch_op.create_index("subnetpools_of_project", ["project_id"], unique=False)
        batch_op.create_index("subnetpools_of_scope", ["address_scope_id"], unique=False)

    op.create_table(
        "port_bindings",
        sa.Column("port_id", db.Id(), nullable=False),
        sa.Column("host", db.Name(), nullable=False),
        sa.Column("vnic_type", db.Name(), nullable=False),
        sa.Column("profile", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(["port_id"], ["ports.id"], name=op.f("fk_port_bindings_port_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("port_id", "host", name=op.f("pk_port_bindings")),
    )
    op.create_table(
        "auto_topologies",
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("network_id", db.Id(), nullable=False),
        sa.Column("router_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["network_id"], ["networks.id"], name=op.f("fk_auto_topologies_network_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["router_id"], ["routers.id"], name=op.f("fk_auto_topologies_router_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_auto_topologies")),
    )
    with op.batch_alter_table("subnets", schema=None) as batch_op:
        batch_op.add_column(sa.Column("subnetpool_id", db.Id(), nullable=True))
        batch_op.create_index("subnets_of_pool", ["subnetpool_id"], unique=False)
    _name_what_is_shared()


def _name_what_is_shared() -> None:
    """What networks said in columns is said by policies, too."""
    connection = op.get_bind()
    there = sa.table(
        "networks", sa.column("id"), sa.column("project_id"), sa.column("shared", db.Boolean()),
        sa.column("external", db.Boolean()),
    )  # fmt: skip
    policies = sa.table(
        "rbac_policies",
        *(sa.column(name) for name in ("id", "project_id", "object_type", "object_id", "action", "target")),
    )
    for action, flag in (("access_as_shared", there.c.shared), ("access_as_external", there.c.external)):
        for network_id, project_id in connection.execute(sa.select(there.c.id, there.c.project_id).where(flag)).all():
            row = {"project_id": project_id, "object_type": "network", "object_id": network_id, "action": action}
            connection.execute(sa.insert(policies).values(id=str(uuid.uuid4()), target="*", **row))

"""Qos."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0005"
down_revision = "network_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "qos_policies",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("shared", db.Boolean(), nullable=False),
        sa.Column("default_for", db.Id(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qos_policies")),
        sa.UniqueConstraint("default_for", name=op.f("uq_qos_policies_default_for")),
    )
    with op.batch_alter_table("qos_policies", schema=None) as batch_op:
        batch_op.create_index("qos_policies_of_project", ["project_id"], unique=False)

    op.create_table(
        "qos_rules",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("policy_id", db.Id(), nullable=False),
        sa.Column("kind", db.Name(), nullable=False),
        sa.Column("direction", db.Name(), nullable=False),
        sa.Column("max_kbps", db.Integer(), nullable=True),
        sa.Column("max_burst_kbps", db.Integer(), nullable=True),
        sa.Column("min_kbps", db.Integer(), nullable=True),
        sa.Column("dscp_mark", db.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["qos_policies.id"], name=op.f("fk_qos_rules_policy_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qos_rules")),
    )
    with op.batch_alter_table("qos_rules", schema=None) as batch_op:
        batch_op.create_index("one_such_qos_rule", ["policy_id", "kind", "direction"], unique=True)

    with op.batch_alter_table("floating_ips", schema=None) as batch_op:
        batch_op.add_column(sa.Column("qos_policy_id", db.Id(), nullable=True))
        batch_op.create_index("floating_ips_with_qos", ["qos_policy_id"], unique=False)

    with op.batch_alter_table("networks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("qos_policy_id", db.Id(), nullable=True))
        batch_op.create_index("networks_with_qos", ["qos_policy_id"], unique=False)

    with op.batch_alter_table("ports", schema=None) as batch_op:
        batch_op.add_column(sa.Column("qos_policy_id", db.Id(), nullable=True))
        batch_op.create_index("ports_with_qos", ["qos_policy_id"], unique=False)

    with op.batch_alter_table("routers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("qos_policy_id", db.Id(), nullable=True))
        batch_op.create_index("routers_with_qos", ["qos_policy_id"], unique=False)

"""Groups and aggregates."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "compute_0002"
down_revision = "compute_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "aggregates",
        sa.Column("number", db.BigInteger(), nullable=False),
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("zone", db.Name(), nullable=True),
        sa.Column("metadata", db.Json(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_aggregates")),
        sa.UniqueConstraint("id", name=op.f("uq_aggregates_id")),
        sa.UniqueConstraint("name", name=op.f("uq_aggregates_name")),
    )
    op.create_table(
        "compute_user_quotas",
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("most", db.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "user_id", "name", name=op.f("pk_compute_user_quotas")),
    )
    op.create_table(
        "server_groups",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("policy", db.Name(), nullable=False),
        sa.Column("most_per_host", db.Integer(), nullable=True),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_groups")),
    )
    with op.batch_alter_table("server_groups", schema=None) as batch_op:
        batch_op.create_index("server_groups_of_project", ["project_id"], unique=False)

    op.create_table(
        "aggregate_hosts",
        sa.Column("aggregate", db.BigInteger(), nullable=False),
        sa.Column("host", db.Name(), nullable=False),
        sa.ForeignKeyConstraint(
            ["aggregate"], ["aggregates.number"], name=op.f("fk_aggregate_hosts_aggregate"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("aggregate", "host", name=op.f("pk_aggregate_hosts")),
    )
    with op.batch_alter_table("aggregate_hosts", schema=None) as batch_op:
        batch_op.create_index("aggregates_of_host", ["host"], unique=False)

    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("group_id", db.Id(), nullable=True))
        batch_op.create_index(
            "servers_in_group",
            ["group_id"],
            unique=False,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )

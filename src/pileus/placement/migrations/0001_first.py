"""Placement as it began: providers, inventories, consumers and what they hold."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "placement_0001"
down_revision = None
branch_labels = ("placement",)
depends_on = None


def upgrade() -> None:
    """The tables are there."""
    op.create_table(
        "consumers",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Name(), nullable=False),
        sa.Column("user_id", db.Name(), nullable=False),
        sa.Column("consumer_type", db.Name(), nullable=True),
        sa.Column("generation", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consumers")),
    )
    with op.batch_alter_table("consumers", schema=None) as batch_op:
        batch_op.create_index("consumers_of_project", ["project_id", "user_id"], unique=False)

    op.create_table(
        "resource_classes",
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_resource_classes")),
    )
    op.create_table(
        "resource_providers",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("generation", db.Integer(), nullable=False),
        sa.Column("parent", db.Id(), nullable=True),
        sa.Column("root", db.Id(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["parent"], ["resource_providers.id"], name=op.f("fk_resource_providers_parent")),
        sa.ForeignKeyConstraint(["root"], ["resource_providers.id"], name=op.f("fk_resource_providers_root")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource_providers")),
        sa.UniqueConstraint("name", name=op.f("uq_resource_providers_name")),
    )
    with op.batch_alter_table("resource_providers", schema=None) as batch_op:
        batch_op.create_index("providers_of_parent", ["parent"], unique=False)
        batch_op.create_index("providers_of_root", ["root"], unique=False)

    op.create_table(
        "traits",
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_traits")),
    )
    op.create_table(
        "allocations",
        sa.Column("consumer", db.Id(), nullable=False),
        sa.Column("provider", db.Id(), nullable=False),
        sa.Column("resource_class", db.Name(), nullable=False),
        sa.Column("used", db.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["consumer"], ["consumers.id"], name=op.f("fk_allocations_consumer")),
        sa.ForeignKeyConstraint(["provider"], ["resource_providers.id"], name=op.f("fk_allocations_provider")),
        sa.PrimaryKeyConstraint("consumer", "provider", "resource_class", name=op.f("pk_allocations")),
    )
    with op.batch_alter_table("allocations", schema=None) as batch_op:
        batch_op.create_index("allocations_of_provider", ["provider"], unique=False)

    op.create_table(
        "inventories",
        sa.Column("provider", db.Id(), nullable=False),
        sa.Column("resource_class", db.Name(), nullable=False),
        sa.Column("total", db.Integer(), nullable=False),
        sa.Column("reserved", db.Integer(), nullable=False),
        sa.Column("min_unit", db.Integer(), nullable=False),
        sa.Column("max_unit", db.Integer(), nullable=False),
        sa.Column("step_size", db.Integer(), nullable=False),
        sa.Column("allocation_ratio", db.Float(), nullable=False),
        sa.Column("capacity", db.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("used", db.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["provider"], ["resource_providers.id"], name=op.f("fk_inventories_provider"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("provider", "resource_class", name=op.f("pk_inventories")),
    )
    with op.batch_alter_table("inventories", schema=None) as batch_op:
        batch_op.create_index("inventories_of_class", ["resource_class"], unique=False)

    op.create_table(
        "resource_provider_aggregates",
        sa.Column("provider", db.Id(), nullable=False),
        sa.Column("aggregate", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider"],
            ["resource_providers.id"],
            name=op.f("fk_resource_provider_aggregates_provider"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("provider", "aggregate", name=op.f("pk_resource_provider_aggregates")),
    )
    with op.batch_alter_table("resource_provider_aggregates", schema=None) as batch_op:
        batch_op.create_index("providers_in_aggregate", ["aggregate"], unique=False)

    op.create_table(
        "resource_provider_traits",
        sa.Column("provider", db.Id(), nullable=False),
        sa.Column("trait", db.Name(), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider"],
            ["resource_providers.id"],
            name=op.f("fk_resource_provider_traits_provider"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("provider", "trait", name=op.f("pk_resource_provider_traits")),
    )
    with op.batch_alter_table("resource_provider_traits", schema=None) as batch_op:
        batch_op.create_index("providers_with_trait", ["trait"], unique=False)

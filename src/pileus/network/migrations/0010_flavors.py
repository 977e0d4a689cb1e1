"""Flavors."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0010"
down_revision = "network_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "router_flavors",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("service_type", db.Name(), nullable=False),
        sa.Column("enabled", db.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_router_flavors")),
    )
    op.create_table(
        "service_profiles",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("driver", db.Text(), nullable=False),
        sa.Column("metainfo", db.Text(), nullable=False),
        sa.Column("enabled", db.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_profiles")),
    )
    op.create_table(
        "router_flavor_profiles",
        sa.Column("flavor_id", db.Id(), nullable=False),
        sa.Column("profile_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["flavor_id"], ["router_flavors.id"], name=op.f("fk_router_flavor_profiles_flavor_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["service_profiles.id"], name=op.f("fk_router_flavor_profiles_profile_id")
        ),
        sa.PrimaryKeyConstraint("flavor_id", "profile_id", name=op.f("pk_router_flavor_profiles")),
    )
    with op.batch_alter_table("router_flavor_profiles", schema=None) as batch_op:
        batch_op.create_index("router_flavors_with_profile", ["profile_id"], unique=False)

    with op.batch_alter_table("routers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("flavor_id", db.Id(), nullable=True))
        batch_op.create_index("routers_of_flavor", ["flavor_id"], unique=False)

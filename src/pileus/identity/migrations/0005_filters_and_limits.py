"""Filters and limits."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "identity_0005"
down_revision = "identity_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_endpoint_groups",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Text(), nullable=False),
        sa.Column("filters", db.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_endpoint_groups")),
    )
    op.create_table(
        "identity_domain_settings",
        sa.Column("domain_id", db.Id(), nullable=False),
        sa.Column("section", db.Name(), nullable=False),
        sa.Column("option", db.Name(), nullable=False),
        sa.Column("value", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["domain_id"],
            ["identity_projects.id"],
            name=op.f("fk_identity_domain_settings_domain_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("domain_id", "section", "option", name=op.f("pk_identity_domain_settings")),
    )
    op.create_table(
        "identity_project_endpoint_groups",
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("endpoint_group_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_group_id"],
            ["identity_endpoint_groups.id"],
            name=op.f("fk_identity_project_endpoint_groups_endpoint_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["identity_projects.id"],
            name=op.f("fk_identity_project_endpoint_groups_project_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", "endpoint_group_id", name=op.f("pk_identity_project_endpoint_groups")),
    )
    with op.batch_alter_table("identity_project_endpoint_groups", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_identity_project_endpoint_groups_endpoint_group_id"), ["endpoint_group_id"], unique=False
        )

    op.create_table(
        "identity_registered_limits",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("service_id", db.Id(), nullable=False),
        sa.Column("region_id", db.Name(), nullable=True),
        sa.Column("resource_name", db.Name(), nullable=False),
        sa.Column("default_limit", db.Integer(), nullable=False),
        sa.Column("description", db.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["region_id"],
            ["identity_regions.id"],
            name=op.f("fk_identity_registered_limits_region_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["identity_services.id"],
            name=op.f("fk_identity_registered_limits_service_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_registered_limits")),
    )
    with op.batch_alter_table("identity_registered_limits", schema=None) as batch_op:
        batch_op.create_index("identity_registered_limits_what", ["service_id", "resource_name"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_registered_limits_region_id"), ["region_id"], unique=False)

    op.create_table(
        "identity_limits",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("registered_limit_id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=True),
        sa.Column("domain_id", db.Id(), nullable=True),
        sa.Column("service_id", db.Id(), nullable=False),
        sa.Column("region_id", db.Name(), nullable=True),
        sa.Column("resource_name", db.Name(), nullable=False),
        sa.Column("resource_limit", db.Integer(), nullable=False),
        sa.Column("description", db.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["domain_id"], ["identity_projects.id"], name=op.f("fk_identity_limits_domain_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["identity_projects.id"], name=op.f("fk_identity_limits_project_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["region_id"], ["identity_regions.id"], name=op.f("fk_identity_limits_region_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["registered_limit_id"],
            ["identity_registered_limits.id"],
            name=op.f("fk_identity_limits_registered_limit_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["identity_services.id"], name=op.f("fk_identity_limits_service_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_limits")),
    )
    with op.batch_alter_table("identity_limits", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_limits_domain_id"), ["domain_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_limits_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_limits_region_id"), ["region_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_identity_limits_registered_limit_id"), ["registered_limit_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_identity_limits_service_id"), ["service_id"], unique=False)

    op.create_table(
        "identity_policy_associations",
        sa.Column("place", db.Name(), nullable=False),
        sa.Column("policy_id", db.Id(), nullable=False),
        sa.Column("endpoint_id", db.Id(), nullable=True),
        sa.Column("service_id", db.Id(), nullable=True),
        sa.Column("region_id", db.Name(), nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["identity_endpoints.id"],
            name=op.f("fk_identity_policy_associations_endpoint_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["policy_id"],
            ["identity_policies.id"],
            name=op.f("fk_identity_policy_associations_policy_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["region_id"],
            ["identity_regions.id"],
            name=op.f("fk_identity_policy_associations_region_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"],
            ["identity_services.id"],
            name=op.f("fk_identity_policy_associations_service_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_identity_policy_associations")),
    )
    with op.batch_alter_table("identity_policy_associations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_policy_associations_endpoint_id"), ["endpoint_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_policy_associations_policy_id"), ["policy_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_policy_associations_region_id"), ["region_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_policy_associations_service_id"), ["service_id"], unique=False)

    op.create_table(
        "identity_project_endpoints",
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("endpoint_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["identity_endpoints.id"],
            name=op.f("fk_identity_project_endpoints_endpoint_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["identity_projects.id"],
            name=op.f("fk_identity_project_endpoints_project_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", "endpoint_id", name=op.f("pk_identity_project_endpoints")),
    )
    with op.batch_alter_table("identity_project_endpoints", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_project_endpoints_endpoint_id"), ["endpoint_id"], unique=False)

"""First."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "identity_0001"
down_revision = None
branch_labels = ("identity",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_changes",
        sa.Column("id", db.Integer(), nullable=False),
        sa.Column("number", db.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_changes")),
    )
    op.create_table(
        "identity_projects",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("domain_id", db.Id(), nullable=True),
        sa.Column("parent_id", db.Id(), nullable=True),
        sa.Column("is_domain", db.Boolean(), nullable=False),
        sa.Column("enabled", db.Boolean(), nullable=False),
        sa.Column("description", db.Text(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("options", db.Json(), nullable=False),
        sa.Column("extra", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["domain_id"], ["identity_projects.id"], name=op.f("fk_identity_projects_domain_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["identity_projects.id"], name=op.f("fk_identity_projects_parent_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_projects")),
        sa.UniqueConstraint("domain_id", "name", name=op.f("uq_identity_projects_domain_id_name")),
    )
    with op.batch_alter_table("identity_projects", schema=None) as batch_op:
        batch_op.create_index(
            "identity_domains_name",
            ["name"],
            unique=True,
            sqlite_where=sa.text("domain_id IS NULL"),
            postgresql_where=sa.text("domain_id IS NULL"),
        )
        batch_op.create_index(batch_op.f("ix_identity_projects_parent_id"), ["parent_id"], unique=False)

    op.create_table(
        "identity_regions",
        sa.Column("id", db.Name(), nullable=False),
        sa.Column("description", db.Text(), nullable=False),
        sa.Column("parent_region_id", db.Name(), nullable=True),
        sa.Column("extra", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_region_id"],
            ["identity_regions.id"],
            name=op.f("fk_identity_regions_parent_region_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_regions")),
    )
    with op.batch_alter_table("identity_regions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_regions_parent_region_id"), ["parent_region_id"], unique=False)

    op.create_table(
        "identity_revocations",
        sa.Column("audit_id", db.Name(), nullable=False),
        sa.Column("expires_at", db.Moment(), nullable=False),
        sa.Column("revoked_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_identity_revocations")),
    )
    with op.batch_alter_table("identity_revocations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_revocations_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "identity_services",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("type", db.Name(), nullable=False),
        sa.Column("name", db.Name(), nullable=True),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("enabled", db.Boolean(), nullable=False),
        sa.Column("extra", db.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_services")),
    )
    op.create_table(
        "identity_endpoints",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("service_id", db.Id(), nullable=False),
        sa.Column("interface", db.Name(), nullable=False),
        sa.Column("url", db.Text(), nullable=False),
        sa.Column("region_id", db.Name(), nullable=True),
        sa.Column("enabled", db.Boolean(), nullable=False),
        sa.Column("bootstrapped", db.Boolean(), nullable=False),
        sa.Column("extra", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(["region_id"], ["identity_regions.id"], name=op.f("fk_identity_endpoints_region_id")),
        sa.ForeignKeyConstraint(
            ["service_id"], ["identity_services.id"], name=op.f("fk_identity_endpoints_service_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_endpoints")),
    )
    with op.batch_alter_table("identity_endpoints", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_endpoints_region_id"), ["region_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_endpoints_service_id"), ["service_id"], unique=False)

    op.create_table(
        "identity_groups",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("domain_id", db.Id(), nullable=False),
        sa.Column("description", db.Text(), nullable=False),
        sa.Column("extra", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["domain_id"], ["identity_projects.id"], name=op.f("fk_identity_groups_domain_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_groups")),
        sa.UniqueConstraint("domain_id", "name", name=op.f("uq_identity_groups_domain_id_name")),
    )
    op.create_table(
        "identity_roles",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("domain_id", db.Id(), nullable=True),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("options", db.Json(), nullable=False),
        sa.Column("extra", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["domain_id"], ["identity_projects.id"], name=op.f("fk_identity_roles_domain_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_roles")),
        sa.UniqueConstraint("domain_id", "name", name=op.f("uq_identity_roles_domain_id_name")),
    )
    with op.batch_alter_table("identity_roles", schema=None) as batch_op:
        batch_op.create_index(
            "identity_global_roles_name",
            ["name"],
            unique=True,
            sqlite_where=sa.text("domain_id IS NULL"),
            postgresql_where=sa.text("domain_id IS NULL"),
        )

    op.create_table(
        "identity_users",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("domain_id", db.Id(), nullable=False),
        sa.Column("enabled", db.Boolean(), nullable=False),
        sa.Column("password_hash", db.Text(), nullable=True),
        sa.Column("default_project_id", db.Id(), nullable=True),
        sa.Column("password_expires_at", db.Moment(), nullable=True),
        sa.Column("tokens_after", db.Moment(), nullable=True),
        sa.Column("options", db.Json(), nullable=False),
        sa.Column("extra", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["domain_id"], ["identity_projects.id"], name=op.f("fk_identity_users_domain_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_users")),
        sa.UniqueConstraint("domain_id", "name", name=op.f("uq_identity_users_domain_id_name")),
    )
    with op.batch_alter_table("identity_users", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_users_default_project_id"), ["default_project_id"], unique=False)

    op.create_table(
        "identity_group_members",
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("group_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["identity_groups.id"], name=op.f("fk_identity_group_members_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_users.id"], name=op.f("fk_identity_group_members_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "group_id", name=op.f("pk_identity_group_members")),
    )
    with op.batch_alter_table("identity_group_members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_group_members_group_id"), ["group_id"], unique=False)

    op.create_table(
        "identity_role_assignments",
        sa.Column("actor_id", db.Id(), nullable=False),
        sa.Column("scope_kind", db.Name(), nullable=False),
        sa.Column("scope_id", db.Id(), nullable=False),
        sa.Column("role_id", db.Id(), nullable=False),
        sa.Column("inherited", db.Boolean(), nullable=False),
        sa.Column("actor_kind", db.Name(), nullable=False),
        sa.ForeignKeyConstraint(
            ["role_id"], ["identity_roles.id"], name=op.f("fk_identity_role_assignments_role_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "actor_id", "scope_kind", "scope_id", "role_id", "inherited", name=op.f("pk_identity_role_assignments")
        ),
    )
    with op.batch_alter_table("identity_role_assignments", schema=None) as batch_op:
        batch_op.create_index("identity_assignments_in_scope", ["scope_id", "scope_kind"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_role_assignments_role_id"), ["role_id"], unique=False)

    op.create_table(
        "identity_role_implications",
        sa.Column("prior_id", db.Id(), nullable=False),
        sa.Column("implied_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["implied_id"],
            ["identity_roles.id"],
            name=op.f("fk_identity_role_implications_implied_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["prior_id"], ["identity_roles.id"], name=op.f("fk_identity_role_implications_prior_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("prior_id", "implied_id", name=op.f("pk_identity_role_implications")),
    )
    with op.batch_alter_table("identity_role_implications", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_role_implications_implied_id"), ["implied_id"], unique=False)

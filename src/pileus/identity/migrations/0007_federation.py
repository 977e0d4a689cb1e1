"""Federation."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "identity_0007"
down_revision = "identity_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_mappings",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("rules", db.Json(), nullable=False),
        sa.Column("schema_version", db.Name(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_mappings")),
    )
    op.create_table(
        "identity_service_providers",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("auth_url", db.Text(), nullable=False),
        sa.Column("sp_url", db.Text(), nullable=False),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("enabled", db.Boolean(), nullable=False),
        sa.Column("relay_state_prefix", db.Name(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_service_providers")),
    )
    op.create_table(
        "identity_identity_providers",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("domain_id", db.Id(), nullable=False),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("enabled", db.Boolean(), nullable=False),
        sa.Column("authorization_ttl", db.Integer(), nullable=True),
        sa.Column("remote_ids", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["domain_id"],
            ["identity_projects.id"],
            name=op.f("fk_identity_identity_providers_domain_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_identity_providers")),
    )
    with op.batch_alter_table("identity_identity_providers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_identity_providers_domain_id"), ["domain_id"], unique=False)

    op.create_table(
        "identity_expiring_members",
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("group_id", db.Id(), nullable=False),
        sa.Column("idp_id", db.Id(), nullable=False),
        sa.Column("expires_at", db.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["identity_groups.id"], name=op.f("fk_identity_expiring_members_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["idp_id"],
            ["identity_identity_providers.id"],
            name=op.f("fk_identity_expiring_members_idp_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_users.id"], name=op.f("fk_identity_expiring_members_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "group_id", "idp_id", name=op.f("pk_identity_expiring_members")),
    )
    with op.batch_alter_table("identity_expiring_members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_expiring_members_group_id"), ["group_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_expiring_members_idp_id"), ["idp_id"], unique=False)

    op.create_table(
        "identity_federated_users",
        sa.Column("idp_id", db.Id(), nullable=False),
        sa.Column("protocol_id", db.Id(), nullable=False),
        sa.Column("unique_id", db.Name(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["idp_id"],
            ["identity_identity_providers.id"],
            name=op.f("fk_identity_federated_users_idp_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_users.id"], name=op.f("fk_identity_federated_users_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("idp_id", "protocol_id", "unique_id", name=op.f("pk_identity_federated_users")),
    )
    with op.batch_alter_table("identity_federated_users", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_federated_users_user_id"), ["user_id"], unique=False)

    op.create_table(
        "identity_protocols",
        sa.Column("idp_id", db.Id(), nullable=False),
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("mapping_id", db.Id(), nullable=False),
        sa.Column("remote_id_attribute", db.Name(), nullable=True),
        sa.ForeignKeyConstraint(
            ["idp_id"],
            ["identity_identity_providers.id"],
            name=op.f("fk_identity_protocols_idp_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("idp_id", "id", name=op.f("pk_identity_protocols")),
    )
    op.create_table(
        "identity_remote_ids",
        sa.Column("remote_id", db.Name(), nullable=False),
        sa.Column("idp_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["idp_id"],
            ["identity_identity_providers.id"],
            name=op.f("fk_identity_remote_ids_idp_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("remote_id", name=op.f("pk_identity_remote_ids")),
    )
    with op.batch_alter_table("identity_remote_ids", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_remote_ids_idp_id"), ["idp_id"], unique=False)

"""Applications."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "identity_0004"
down_revision = "identity_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_access_rules",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("service", db.Name(), nullable=False),
        sa.Column("method", db.Name(), nullable=False),
        sa.Column("path", db.Name(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_users.id"], name=op.f("fk_identity_access_rules_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_access_rules")),
        sa.UniqueConstraint(
            "user_id", "service", "method", "path", name=op.f("uq_identity_access_rules_user_id_service_method_path")
        ),
    )
    op.create_table(
        "identity_application_credentials",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("secret_hash", db.Text(), nullable=False),
        sa.Column("role_ids", db.Json(), nullable=False),
        sa.Column("rule_ids", db.Json(), nullable=True),
        sa.Column("unrestricted", db.Boolean(), nullable=False),
        sa.Column("expires_at", db.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["identity_projects.id"],
            name=op.f("fk_identity_application_credentials_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["identity_users.id"],
            name=op.f("fk_identity_application_credentials_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_application_credentials")),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_identity_application_credentials_user_id_name")),
    )
    with op.batch_alter_table("identity_application_credentials", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_identity_application_credentials_project_id"), ["project_id"], unique=False
        )

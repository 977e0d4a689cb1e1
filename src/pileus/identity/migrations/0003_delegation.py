"""Delegation."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "identity_0003"
down_revision = "identity_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_policies",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("type", db.Name(), nullable=False),
        sa.Column("blob", db.Text(), nullable=False),
        sa.Column("extra", db.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_policies")),
    )
    op.create_table(
        "identity_credentials",
        sa.Column("id", db.Name(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=True),
        sa.Column("type", db.Name(), nullable=False),
        sa.Column("sealed", db.Text(), nullable=False),
        sa.Column("extra", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["identity_projects.id"],
            name=op.f("fk_identity_credentials_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_users.id"], name=op.f("fk_identity_credentials_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_credentials")),
    )
    with op.batch_alter_table("identity_credentials", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_credentials_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_credentials_user_id"), ["user_id"], unique=False)

    op.create_table(
        "identity_trusts",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("trustor_user_id", db.Id(), nullable=False),
        sa.Column("trustee_user_id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("impersonation", db.Boolean(), nullable=False),
        sa.Column("expires_at", db.Moment(), nullable=True),
        sa.Column("remaining_uses", db.Integer(), nullable=True),
        sa.Column("role_ids", db.Json(), nullable=False),
        sa.Column("extra", db.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["identity_projects.id"], name=op.f("fk_identity_trusts_project_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["trustee_user_id"],
            ["identity_users.id"],
            name=op.f("fk_identity_trusts_trustee_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["trustor_user_id"],
            ["identity_users.id"],
            name=op.f("fk_identity_trusts_trustor_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_trusts")),
    )
    with op.batch_alter_table("identity_trusts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_trusts_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_trusts_trustee_user_id"), ["trustee_user_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_trusts_trustor_user_id"), ["trustor_user_id"], unique=False)

"""Oauth and passcodes."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "identity_0006"
down_revision = "identity_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_consumers",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("sealed", db.Text(), nullable=False),
        sa.Column("extra", db.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_consumers")),
    )
    op.create_table(
        "identity_access_tokens",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("consumer_id", db.Id(), nullable=False),
        sa.Column("sealed", db.Text(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("role_ids", db.Json(), nullable=False),
        sa.Column("expires_at", db.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["consumer_id"],
            ["identity_consumers.id"],
            name=op.f("fk_identity_access_tokens_consumer_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["identity_projects.id"],
            name=op.f("fk_identity_access_tokens_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_users.id"], name=op.f("fk_identity_access_tokens_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_access_tokens")),
    )
    with op.batch_alter_table("identity_access_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_access_tokens_consumer_id"), ["consumer_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_access_tokens_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_access_tokens_user_id"), ["user_id"], unique=False)

    op.create_table(
        "identity_request_tokens",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("consumer_id", db.Id(), nullable=False),
        sa.Column("sealed", db.Text(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=True),
        sa.Column("role_ids", db.Json(), nullable=False),
        sa.Column("verifier", db.Name(), nullable=True),
        sa.Column("expires_at", db.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["consumer_id"],
            ["identity_consumers.id"],
            name=op.f("fk_identity_request_tokens_consumer_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["identity_projects.id"],
            name=op.f("fk_identity_request_tokens_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_users.id"], name=op.f("fk_identity_request_tokens_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_request_tokens")),
    )
    with op.batch_alter_table("identity_request_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_request_tokens_consumer_id"), ["consumer_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_request_tokens_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_request_tokens_user_id"), ["user_id"], unique=False)

    op.create_table(
        "identity_used_passcodes",
        sa.Column("credential_id", db.Name(), nullable=False),
        sa.Column("counter", db.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"],
            ["identity_credentials.id"],
            name=op.f("fk_identity_used_passcodes_credential_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("credential_id", name=op.f("pk_identity_used_passcodes")),
    )
    with op.batch_alter_table("identity_trusts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("redelegated_trust_id", db.Id(), nullable=True))
        batch_op.add_column(sa.Column("redelegation_count", db.Integer(), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_identity_trusts_redelegated_trust_id"), ["redelegated_trust_id"], unique=False
        )

    with op.batch_alter_table("identity_users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("password_set_at", db.Moment(), nullable=True))
        batch_op.add_column(sa.Column("active_at", db.Moment(), nullable=True))

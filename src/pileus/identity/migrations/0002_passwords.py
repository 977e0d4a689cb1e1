"""Passwords."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "identity_0002"
down_revision = "identity_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_login_failures",
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("number", db.Integer(), nullable=False),
        sa.Column("last_at", db.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_users.id"], name=op.f("fk_identity_login_failures_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_identity_login_failures")),
    )
    op.create_table(
        "identity_old_passwords",
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("number", db.Integer(), autoincrement=False, nullable=False),
        sa.Column("password_hash", db.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_users.id"], name=op.f("fk_identity_old_passwords_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "number", name=op.f("pk_identity_old_passwords")),
    )

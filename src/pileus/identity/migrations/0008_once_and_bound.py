"""Once and bound."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "identity_0008"
down_revision = "identity_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_failure_rates",
        sa.Column("key", db.Id(), nullable=False),
        sa.Column("level", db.Float(), nullable=False),
        sa.Column("at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_identity_failure_rates")),
    )
    with op.batch_alter_table("identity_failure_rates", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_failure_rates_at"), ["at"], unique=False)

    op.create_table(
        "identity_nonces",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("expires_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_nonces")),
    )
    with op.batch_alter_table("identity_nonces", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_nonces_expires_at"), ["expires_at"], unique=False)

    with op.batch_alter_table("identity_application_credentials", schema=None) as batch_op:
        batch_op.add_column(sa.Column("certificate", db.Name(), nullable=True))

"""Given passwords."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "compute_0007"
down_revision = "compute_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "given_passwords",
        sa.Column("server_id", db.Id(), nullable=False),
        sa.Column("for_rescue", db.Boolean(), nullable=False),
        sa.Column("reference", db.Name(), nullable=False),
        sa.Column("sealed", db.Text(), nullable=False),
        sa.Column("try_at", db.Moment(), nullable=True),
        sa.Column("tries", db.Integer(), nullable=False),
        sa.Column("given_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("server_id", "for_rescue", name=op.f("pk_given_passwords")),
    )
    with op.batch_alter_table("given_passwords", schema=None) as batch_op:
        batch_op.create_index("given_passwords_due", ["try_at"], unique=False)

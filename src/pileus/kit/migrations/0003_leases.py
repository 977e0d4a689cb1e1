"""Which controllers are alive, and which of them holds an operation or a standing reconciler."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "kit_0003"
down_revision = "kit_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables and the column exist."""
    op.create_table(
        "controllers",
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("place", db.Name(), nullable=False),
        sa.Column("beat", db.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_controllers")),
    )
    op.create_table(
        "standing_holders",
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("holder", db.Name(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_standing_holders")),
    )
    with op.batch_alter_table("operations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("holder", db.Name(), nullable=True))

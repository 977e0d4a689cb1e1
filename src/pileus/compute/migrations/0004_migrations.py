"""Migrations."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "compute_0004"
down_revision = "compute_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "migrations",
        sa.Column("number", db.BigInteger(), nullable=False),
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("type", db.Name(), nullable=False),
        sa.Column("status", db.Name(), nullable=False),
        sa.Column("server_id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("source_host", db.Name(), nullable=True),
        sa.Column("dest_host", db.Name(), nullable=True),
        sa.Column("old_flavor", db.Name(), nullable=True),
        sa.Column("new_flavor", db.Name(), nullable=True),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_migrations")),
        sa.UniqueConstraint("id", name=op.f("uq_migrations_id")),
    )
    with op.batch_alter_table("migrations", schema=None) as batch_op:
        batch_op.create_index("migrations_of_project", ["project_id", "number"], unique=False)
        batch_op.create_index("migrations_of_server", ["server_id", "number"], unique=False)

"""Segment ranges."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0013"
down_revision = "network_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "segment_ranges",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("network_type", db.Name(), nullable=False),
        sa.Column("physical_network", db.Name(), nullable=False),
        sa.Column("minimum", db.Integer(), nullable=False),
        sa.Column("maximum", db.Integer(), nullable=False),
        sa.Column("shared", db.Boolean(), nullable=False),
        sa.Column("default", db.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segment_ranges")),
    )
    with op.batch_alter_table("segment_ranges", schema=None) as batch_op:
        batch_op.create_index("segment_ranges_of_kind", ["network_type", "physical_network", "minimum"], unique=False)

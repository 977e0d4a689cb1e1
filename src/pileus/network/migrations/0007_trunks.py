"""Trunks."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0007"
down_revision = "network_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trunks",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("port_id", db.Id(), nullable=False),
        sa.Column("admin_up", db.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["port_id"], ["ports.id"], name=op.f("fk_trunks_port_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trunks")),
        sa.UniqueConstraint("port_id", name=op.f("uq_trunks_port_id")),
    )
    with op.batch_alter_table("trunks", schema=None) as batch_op:
        batch_op.create_index("trunks_of_project", ["project_id"], unique=False)

    op.create_table(
        "subports",
        sa.Column("port_id", db.Id(), nullable=False),
        sa.Column("trunk_id", db.Id(), nullable=False),
        sa.Column("segmentation_type", db.Name(), nullable=False),
        sa.Column("segmentation_id", db.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["port_id"], ["ports.id"], name=op.f("fk_subports_port_id")),
        sa.ForeignKeyConstraint(["trunk_id"], ["trunks.id"], name=op.f("fk_subports_trunk_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("port_id", name=op.f("pk_subports")),
    )
    with op.batch_alter_table("subports", schema=None) as batch_op:
        batch_op.create_index("one_tag_on_trunk", ["trunk_id", "segmentation_id"], unique=True)

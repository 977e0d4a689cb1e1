"""Metadefs."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "image_0002"
down_revision = "image_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_metadef_namespaces",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("namespace", db.Name(), nullable=False),
        sa.Column("display_name", db.Name(), nullable=True),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("visibility", db.Name(), nullable=False),
        sa.Column("protected", db.Boolean(), nullable=False),
        sa.Column("owner", db.Id(), nullable=True),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image_metadef_namespaces")),
        sa.UniqueConstraint("namespace", name=op.f("uq_image_metadef_namespaces_namespace")),
    )
    op.create_table(
        "image_metadef_definitions",
        sa.Column("space", db.Id(), nullable=False),
        sa.Column("kind", db.Name(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("body", db.Json(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space"],
            ["image_metadef_namespaces.id"],
            name=op.f("fk_image_metadef_definitions_space"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("space", "kind", "name", name=op.f("pk_image_metadef_definitions")),
    )
    with op.batch_alter_table("image_metadef_definitions", schema=None) as batch_op:
        batch_op.create_index("image_metadef_definitions_of_kind", ["kind", "name"], unique=False)

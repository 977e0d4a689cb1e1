"""The image service as it began: images with properties, tags and members."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "image_0001"
down_revision = None
branch_labels = ("image",)
depends_on = None


def upgrade() -> None:
    """The tables are there."""
    op.create_table(
        "images",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=True),
        sa.Column("status", db.Name(), nullable=False),
        sa.Column("visibility", db.Name(), nullable=False),
        sa.Column("owner", db.Id(), nullable=True),
        sa.Column("disk_format", db.Name(), nullable=True),
        sa.Column("container_format", db.Name(), nullable=True),
        sa.Column("size", db.BigInteger(), nullable=True),
        sa.Column("virtual_size", db.BigInteger(), nullable=True),
        sa.Column("checksum", db.Name(), nullable=True),
        sa.Column("hash_value", db.Name(), nullable=True),
        sa.Column("min_disk", db.Integer(), nullable=False),
        sa.Column("min_ram", db.Integer(), nullable=False),
        sa.Column("protected", db.Boolean(), nullable=False),
        sa.Column("hidden", db.Boolean(), nullable=False),
        sa.Column("file", db.Name(), nullable=True),
        sa.Column("upload", db.Name(), nullable=True),
        sa.Column("upload_until", db.Moment(), nullable=True),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
    )
    with op.batch_alter_table("images", schema=None) as batch_op:
        batch_op.create_index("images_by_age", ["created_at", "id"], unique=False)
        batch_op.create_index("images_named", ["name"], unique=False)
        batch_op.create_index("images_of_owner", ["owner", "created_at"], unique=False)

    op.create_table(
        "image_members",
        sa.Column("image", db.Id(), nullable=False),
        sa.Column("member", db.Id(), nullable=False),
        sa.Column("status", db.Name(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["image"], ["images.id"], name=op.f("fk_image_members_image"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image", "member", name=op.f("pk_image_members")),
    )
    with op.batch_alter_table("image_members", schema=None) as batch_op:
        batch_op.create_index("images_shared_with", ["member"], unique=False)

    op.create_table(
        "image_properties",
        sa.Column("image", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("value", db.Text(), nullable=False),
        sa.ForeignKeyConstraint(["image"], ["images.id"], name=op.f("fk_image_properties_image"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image", "name", name=op.f("pk_image_properties")),
    )
    op.create_table(
        "image_tags",
        sa.Column("image", db.Id(), nullable=False),
        sa.Column("tag", db.Name(), nullable=False),
        sa.Column("place", db.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["image"], ["images.id"], name=op.f("fk_image_tags_image"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image", "tag", name=op.f("pk_image_tags")),
    )
    with op.batch_alter_table("image_tags", schema=None) as batch_op:
        batch_op.create_index("images_tagged", ["tag"], unique=False)

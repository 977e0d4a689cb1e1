"""Cache."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "image_0005"
down_revision = "image_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_cache",
        sa.Column("image", db.Id(), nullable=False),
        sa.Column("file", db.Name(), nullable=True),
        sa.Column("size", db.BigInteger(), nullable=False),
        sa.Column("hits", db.Integer(), nullable=False),
        sa.Column("asked_at", db.Moment(), nullable=False),
        sa.Column("cached_at", db.Moment(), nullable=True),
        sa.Column("read_at", db.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["image"], ["images.id"], name=op.f("fk_image_cache_image"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image", name=op.f("pk_image_cache")),
    )

"""An image has copies in any number of stores, and imports have tasks."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "image_0003"
down_revision = "image_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_tasks",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("type", db.Name(), nullable=False),
        sa.Column("status", db.Name(), nullable=False),
        sa.Column("owner", db.Id(), nullable=True),
        sa.Column("user", db.Id(), nullable=True),
        sa.Column("image", db.Id(), nullable=True),
        sa.Column("request_id", db.Name(), nullable=True),
        sa.Column("input", db.Json(), nullable=False),
        sa.Column("result", db.Json(), nullable=True),
        sa.Column("message", db.Text(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("expires_at", db.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image_tasks")),
    )
    with op.batch_alter_table("image_tasks", schema=None) as batch_op:
        batch_op.create_index("image_tasks_by_age", ["created_at", "id"], unique=False)
        batch_op.create_index("image_tasks_of", ["image"], unique=False)

    op.create_table(
        "image_copies",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("image", db.Id(), nullable=False),
        sa.Column("store", db.Name(), nullable=False),
        sa.Column("place", db.Text(), nullable=False),
        sa.Column("about", db.Json(), nullable=False),
        sa.Column("whole", db.Boolean(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["image"], ["images.id"], name=op.f("fk_image_copies_image"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image_copies")),
        sa.UniqueConstraint("image", "store", "place", name=op.f("uq_image_copies_image_store_place")),
    )
    with op.batch_alter_table("image_copies", schema=None) as batch_op:
        batch_op.create_index("image_copies_of", ["image", "created_at"], unique=False)

    op.add_column("images", sa.Column("staged", db.Name(), nullable=True))
    op.execute("UPDATE images SET staged = file WHERE status = 'uploading' AND file IS NOT NULL")
    # An image had its bytes in one store, so its own id can be that of its copy.
    op.execute(
        "INSERT INTO image_copies (id, image, store, place, about, whole, created_at) "
        "SELECT id, id, 'file', file, '{}', status = 'active' OR status = 'deactivated', created_at "
        "FROM images WHERE file IS NOT NULL AND status <> 'uploading'"
    )
    op.drop_column("images", "file")

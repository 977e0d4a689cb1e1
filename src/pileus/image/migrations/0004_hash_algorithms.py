"""The hash of an image says how it was made: bytes that others keep may come with another."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "image_0004"
down_revision = "image_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("images", sa.Column("hash_algo", db.Name(), nullable=True))
    op.execute("UPDATE images SET hash_algo = 'sha512' WHERE hash_value IS NOT NULL")

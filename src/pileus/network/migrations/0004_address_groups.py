"""Address groups."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "network_0004"
down_revision = "network_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "address_groups",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Name(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("revision", db.Integer(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("addresses", db.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_groups")),
    )
    with op.batch_alter_table("address_groups", schema=None) as batch_op:
        batch_op.create_index("address_groups_of_project", ["project_id"], unique=False)

    with op.batch_alter_table("security_rules", schema=None) as batch_op:
        batch_op.add_column(sa.Column("address_group", db.Id(), nullable=True))
        batch_op.create_index("rules_on_address_group", ["address_group"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_security_rules_address_group"), "address_groups", ["address_group"], ["id"]
        )

"""First."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "compute_0001"
down_revision = None
branch_labels = ("compute",)
depends_on = None


def upgrade() -> None:
    """All of compute's tables exist."""
    op.create_table(
        "compute_quotas",
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("most", db.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "name", name=op.f("pk_compute_quotas")),
    )
    op.create_table(
        "console_tokens",
        sa.Column("hash", db.Id(), nullable=False),
        sa.Column("server_id", db.Id(), nullable=False),
        sa.Column("host", db.Name(), nullable=False),
        sa.Column("kind", db.Name(), nullable=False),
        sa.Column("console_type", db.Name(), nullable=False),
        sa.Column("expires_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_console_tokens")),
    )
    with op.batch_alter_table("console_tokens", schema=None) as batch_op:
        batch_op.create_index("console_tokens_by_end", ["expires_at"], unique=False)

    op.create_table(
        "flavors",
        sa.Column("id", db.Name(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("vcpus", db.Integer(), nullable=False),
        sa.Column("ram", db.Integer(), nullable=False),
        sa.Column("disk", db.Integer(), nullable=False),
        sa.Column("ephemeral", db.Integer(), nullable=False),
        sa.Column("swap", db.Integer(), nullable=False),
        sa.Column("rxtx_factor", db.Float(), nullable=False),
        sa.Column("is_public", db.Boolean(), nullable=False),
        sa.Column("disabled", db.Boolean(), nullable=False),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("extra_specs", db.Json(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flavors")),
        sa.UniqueConstraint("name", name=op.f("uq_flavors_name")),
    )
    op.create_table(
        "host_settings",
        sa.Column("host", db.Name(), nullable=False),
        sa.Column("disabled", db.Boolean(), nullable=False),
        sa.Column("reason", db.Text(), nullable=True),
        sa.Column("forced_down", db.Boolean(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_host_settings")),
    )
    op.create_table(
        "keypairs",
        sa.Column("number", db.BigInteger(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("type", db.Name(), nullable=False),
        sa.Column("fingerprint", db.Name(), nullable=False),
        sa.Column("public_key", db.Text(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_keypairs")),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_keypairs_user_id_name")),
    )
    op.create_table(
        "servers",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("hostname", db.Name(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("reservation_id", db.Name(), nullable=False),
        sa.Column("launch_index", db.Integer(), nullable=False),
        sa.Column("flavor", db.Json(), nullable=False),
        sa.Column("flavor_id", db.Name(), nullable=False),
        sa.Column("vcpus", db.Integer(), nullable=False),
        sa.Column("ram", db.Integer(), nullable=False),
        sa.Column("image", db.Json(), nullable=True),
        sa.Column("image_id", db.Id(), nullable=True),
        sa.Column("key", db.Json(), nullable=True),
        sa.Column("key_name", db.Name(), nullable=True),
        sa.Column("user_data", db.Text(), nullable=True),
        sa.Column("metadata", db.Json(), nullable=False),
        sa.Column("tags", db.Json(), nullable=False),
        sa.Column("hints", db.Json(), nullable=False),
        sa.Column("security_groups", db.Json(), nullable=False),
        sa.Column("zone_wanted", db.Name(), nullable=True),
        sa.Column("host_wanted", db.Name(), nullable=True),
        sa.Column("host", db.Name(), nullable=True),
        sa.Column("power_wanted", db.Name(), nullable=False),
        sa.Column("restarts", db.Json(), nullable=False),
        sa.Column("broken", db.Boolean(), nullable=False),
        sa.Column("fault", db.Json(), nullable=True),
        sa.Column("locked_by", db.Name(), nullable=True),
        sa.Column("locked_reason", db.Text(), nullable=True),
        sa.Column("access_ipv4", db.Name(), nullable=True),
        sa.Column("access_ipv6", db.Name(), nullable=True),
        sa.Column("disk_config", db.Name(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.Column("launched_at", db.Moment(), nullable=True),
        sa.Column("deleted_at", db.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_servers")),
    )
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.create_index(
            "servers_by_age",
            ["created_at", "id"],
            unique=False,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )
        batch_op.create_index(
            "servers_in_use",
            ["project_id", "vcpus", "ram"],
            unique=False,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )
        batch_op.create_index(
            "servers_of_project",
            ["project_id", "created_at", "id"],
            unique=False,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )
        batch_op.create_index(
            "servers_on_host",
            ["host"],
            unique=False,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )

    op.create_table(
        "flavor_access",
        sa.Column("flavor_id", db.Name(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["flavor_id"], ["flavors.id"], name=op.f("fk_flavor_access_flavor_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("flavor_id", "project_id", name=op.f("pk_flavor_access")),
    )
    with op.batch_alter_table("flavor_access", schema=None) as batch_op:
        batch_op.create_index("flavors_of_project", ["project_id"], unique=False)

"""First."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "block_storage_0001"
down_revision = None
branch_labels = ("block_storage",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "block_storage_quotas",
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("most", db.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "name", name=op.f("pk_block_storage_quotas")),
    )
    op.create_table(
        "block_storage_services",
        sa.Column("host", db.Name(), nullable=False),
        sa.Column("program", db.Name(), nullable=False),
        sa.Column("disabled", db.Boolean(), nullable=False),
        sa.Column("reason", db.Text(), nullable=True),
        sa.Column("frozen", db.Boolean(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("host", "program", name=op.f("pk_block_storage_services")),
    )
    op.create_table(
        "qos_specs",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("consumer", db.Name(), nullable=False),
        sa.Column("specs", db.Json(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qos_specs")),
        sa.UniqueConstraint("name", name=op.f("uq_qos_specs_name")),
    )
    op.create_table(
        "volume_backups",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("volume_id", db.Id(), nullable=False),
        sa.Column("snapshot_id", db.Id(), nullable=True),
        sa.Column("parent_id", db.Id(), nullable=True),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=True),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("status", db.Name(), nullable=False),
        sa.Column("fail_reason", db.Text(), nullable=True),
        sa.Column("size", db.Integer(), nullable=False),
        sa.Column("object_count", db.Integer(), nullable=False),
        sa.Column("container", db.Name(), nullable=True),
        sa.Column("host", db.Name(), nullable=True),
        sa.Column("backend", db.Name(), nullable=True),
        sa.Column("zone", db.Name(), nullable=True),
        sa.Column("metadata", db.Json(), nullable=False),
        sa.Column("restores", db.Id(), nullable=True),
        sa.Column("snapshot_at", db.Moment(), nullable=True),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume_backups")),
    )
    with op.batch_alter_table("volume_backups", schema=None) as batch_op:
        batch_op.create_index("volume_backups_of_parent", ["parent_id"], unique=False)
        batch_op.create_index("volume_backups_of_project", ["project_id", "created_at", "id"], unique=False)
        batch_op.create_index("volume_backups_of_volume", ["volume_id"], unique=False)

    op.create_table(
        "volume_group_snapshots",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("group_id", db.Id(), nullable=False),
        sa.Column("group_type_id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=True),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("status", db.Name(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume_group_snapshots")),
    )
    with op.batch_alter_table("volume_group_snapshots", schema=None) as batch_op:
        batch_op.create_index("volume_group_snapshots_of_project", ["project_id", "created_at", "id"], unique=False)

    op.create_table(
        "volume_group_types",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("is_public", db.Boolean(), nullable=False),
        sa.Column("specs", db.Json(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume_group_types")),
        sa.UniqueConstraint("name", name=op.f("uq_volume_group_types_name")),
    )
    op.create_table(
        "volume_groups",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=True),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("status", db.Name(), nullable=False),
        sa.Column("group_type_id", db.Id(), nullable=False),
        sa.Column("volume_types", db.Json(), nullable=False),
        sa.Column("zone", db.Name(), nullable=True),
        sa.Column("host", db.Name(), nullable=True),
        sa.Column("source_group_id", db.Id(), nullable=True),
        sa.Column("group_snapshot_id", db.Id(), nullable=True),
        sa.Column("replication_status", db.Name(), nullable=True),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume_groups")),
    )
    with op.batch_alter_table("volume_groups", schema=None) as batch_op:
        batch_op.create_index("volume_groups_of_project", ["project_id", "created_at", "id"], unique=False)

    op.create_table(
        "volume_messages",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("request_id", db.Name(), nullable=True),
        sa.Column("resource_type", db.Name(), nullable=False),
        sa.Column("resource_id", db.Id(), nullable=True),
        sa.Column("action", db.Name(), nullable=False),
        sa.Column("detail", db.Name(), nullable=False),
        sa.Column("level", db.Name(), nullable=False),
        sa.Column("why", db.Text(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("expires_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume_messages")),
    )
    with op.batch_alter_table("volume_messages", schema=None) as batch_op:
        batch_op.create_index("volume_messages_by_end", ["expires_at"], unique=False)
        batch_op.create_index("volume_messages_of_project", ["project_id", "created_at", "id"], unique=False)

    op.create_table(
        "volume_snapshots",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("volume_id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=True),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("status", db.Name(), nullable=False),
        sa.Column("progress", db.Name(), nullable=True),
        sa.Column("size", db.Integer(), nullable=False),
        sa.Column("type_id", db.Id(), nullable=True),
        sa.Column("host", db.Name(), nullable=True),
        sa.Column("backend", db.Name(), nullable=True),
        sa.Column("group_snapshot_id", db.Id(), nullable=True),
        sa.Column("metadata", db.Json(), nullable=False),
        sa.Column("consumes_quota", db.Boolean(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume_snapshots")),
    )
    with op.batch_alter_table("volume_snapshots", schema=None) as batch_op:
        batch_op.create_index("volume_snapshots_of_group", ["group_snapshot_id"], unique=False)
        batch_op.create_index("volume_snapshots_of_project", ["project_id", "created_at", "id"], unique=False)
        batch_op.create_index("volume_snapshots_of_volume", ["volume_id"], unique=False)

    op.create_table(
        "volume_transfers",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("volume_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=True),
        sa.Column("salt", db.Name(), nullable=False),
        sa.Column("digest", db.Name(), nullable=False),
        sa.Column("source_project_id", db.Id(), nullable=False),
        sa.Column("destination_project_id", db.Id(), nullable=True),
        sa.Column("accepted", db.Boolean(), nullable=False),
        sa.Column("no_snapshots", db.Boolean(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume_transfers")),
    )
    with op.batch_alter_table("volume_transfers", schema=None) as batch_op:
        batch_op.create_index("volume_transfers_of_project", ["source_project_id", "created_at"], unique=False)

    op.create_table(
        "volume_types",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("is_public", db.Boolean(), nullable=False),
        sa.Column("extra_specs", db.Json(), nullable=False),
        sa.Column("qos_id", db.Id(), nullable=True),
        sa.Column("encryption", db.Json(), nullable=True),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume_types")),
        sa.UniqueConstraint("name", name=op.f("uq_volume_types_name")),
    )
    op.create_table(
        "volumes",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("user_id", db.Id(), nullable=False),
        sa.Column("name", db.Name(), nullable=True),
        sa.Column("description", db.Text(), nullable=True),
        sa.Column("size", db.Integer(), nullable=False),
        sa.Column("status", db.Name(), nullable=False),
        sa.Column("previous_status", db.Name(), nullable=True),
        sa.Column("migration_status", db.Name(), nullable=True),
        sa.Column("attach_status", db.Name(), nullable=False),
        sa.Column("type_id", db.Id(), nullable=True),
        sa.Column("zone", db.Name(), nullable=True),
        sa.Column("host", db.Name(), nullable=True),
        sa.Column("backend", db.Name(), nullable=True),
        sa.Column("content", db.Integer(), nullable=False),
        sa.Column("origin", db.Json(), nullable=True),
        sa.Column("bootable", db.Boolean(), nullable=False),
        sa.Column("readonly", db.Boolean(), nullable=True),
        sa.Column("multiattach", db.Boolean(), nullable=False),
        sa.Column("snapshot_id", db.Id(), nullable=True),
        sa.Column("source_volid", db.Id(), nullable=True),
        sa.Column("backup_id", db.Id(), nullable=True),
        sa.Column("group_id", db.Id(), nullable=True),
        sa.Column("metadata", db.Json(), nullable=False),
        sa.Column("image_metadata", db.Json(), nullable=False),
        sa.Column("encryption", db.Json(), nullable=True),
        sa.Column("consumes_quota", db.Boolean(), nullable=False),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("updated_at", db.Moment(), nullable=True),
        sa.Column("launched_at", db.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volumes")),
    )
    with op.batch_alter_table("volumes", schema=None) as batch_op:
        batch_op.create_index("volumes_by_age", ["created_at", "id"], unique=False)
        batch_op.create_index("volumes_of_group", ["group_id"], unique=False)
        batch_op.create_index("volumes_of_project", ["project_id", "created_at", "id"], unique=False)
        batch_op.create_index("volumes_on_host", ["host", "backend"], unique=False)

    op.create_table(
        "default_volume_types",
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("type_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["type_id"], ["volume_types.id"], name=op.f("fk_default_volume_types_type_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_default_volume_types")),
    )
    op.create_table(
        "volume_attachments",
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("volume_id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.Column("server_id", db.Id(), nullable=True),
        sa.Column("host", db.Name(), nullable=True),
        sa.Column("status", db.Name(), nullable=False),
        sa.Column("mode", db.Name(), nullable=True),
        sa.Column("device", db.Name(), nullable=True),
        sa.Column("connector", db.Json(), nullable=True),
        sa.Column("created_at", db.Moment(), nullable=False),
        sa.Column("attached_at", db.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["volume_id"], ["volumes.id"], name=op.f("fk_volume_attachments_volume_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume_attachments")),
    )
    with op.batch_alter_table("volume_attachments", schema=None) as batch_op:
        batch_op.create_index("volume_attachments_by_age", ["created_at", "id"], unique=False)
        batch_op.create_index("volume_attachments_of_server", ["server_id"], unique=False)
        batch_op.create_index("volume_attachments_of_volume", ["volume_id"], unique=False)

    op.create_table(
        "volume_type_access",
        sa.Column("type_id", db.Id(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["type_id"], ["volume_types.id"], name=op.f("fk_volume_type_access_type_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("type_id", "project_id", name=op.f("pk_volume_type_access")),
    )
    with op.batch_alter_table("volume_type_access", schema=None) as batch_op:
        batch_op.create_index("volume_types_of_project", ["project_id"], unique=False)

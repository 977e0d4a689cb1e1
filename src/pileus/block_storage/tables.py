"""Block storage's tables."""

import sqlalchemy as sa

from pileus.kit.db import BigInteger, Boolean, Id, Integer, Json, Moment, Name, Text, metadata

BLOCK_STORAGE = metadata()

TYPES = sa.Table(
    "volume_types",
    BLOCK_STORAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Name, nullable=False, unique=True),
    sa.Column("description", Text),
    sa.Column("is_public", Boolean, nullable=False),
    sa.Column("extra_specs", Json, nullable=False),
    sa.Column("qos_id", Id),
    sa.Column("encryption", Json),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment),
)

TYPE_ACCESS = sa.Table(
    "volume_type_access",
    BLOCK_STORAGE,
    sa.Column("type_id", Id, sa.ForeignKey("volume_types.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("project_id", Id, primary_key=True),
    sa.Index("volume_types_of_project", "project_id"),
)

DEFAULT_TYPES = sa.Table(
    "default_volume_types",
    BLOCK_STORAGE,
    sa.Column("project_id", Id, primary_key=True),
    sa.Column("type_id", Id, sa.ForeignKey("volume_types.id", ondelete="CASCADE"), nullable=False),
)

QOS = sa.Table(
    "qos_specs",
    BLOCK_STORAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Name, nullable=False, unique=True),
    sa.Column("consumer", Name, nullable=False),
    sa.Column("specs", Json, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

VOLUMES = sa.Table(
    "volumes",
    BLOCK_STORAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("user_id", Id, nullable=False),
    sa.Column("name", Name),
    sa.Column("description", Text),
    sa.Column("size", Integer, nullable=False),
    sa.Column("status", Name, nullable=False),
    # What it was before it became busy, and is again when that fails.
    sa.Column("previous_status", Name),
    # How large it will be when it has grown; counted as if it were.
    sa.Column("wanted_size", Integer),
    sa.Column("migration_status", Name),
    sa.Column("attach_status", Name, nullable=False),
    sa.Column("type_id", Id),
    sa.Column("zone", Name),
    sa.Column("host", Name),
    sa.Column("backend", Name),
    # Counts up whenever its bytes are made anew: reverted, restored, imaged again.
    sa.Column("content", Integer, nullable=False),
    sa.Column("origin", Json),
    sa.Column("bootable", Boolean, nullable=False),
    sa.Column("readonly", Boolean),
    sa.Column("multiattach", Boolean, nullable=False),
    sa.Column("snapshot_id", Id),
    sa.Column("source_volid", Id),
    sa.Column("backup_id", Id),
    sa.Column("group_id", Id),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("image_metadata", Json, nullable=False),
    sa.Column("encryption", Json),
    sa.Column("consumes_quota", Boolean, nullable=False),
    # What opens the encrypted bytes, sealed by the cloud's vault, and under which name it is shown.
    sa.Column("key_id", Id),
    sa.Column("sealed_key", Text),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment),
    sa.Column("launched_at", Moment),
    sa.Index("volumes_of_project", "project_id", "created_at", "id"),
    sa.Index("volumes_by_age", "created_at", "id"),
    sa.Index("volumes_on_host", "host", "backend"),
    sa.Index("volumes_of_group", "group_id"),
)

SNAPSHOTS = sa.Table(
    "volume_snapshots",
    BLOCK_STORAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("volume_id", Id, nullable=False),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("user_id", Id, nullable=False),
    sa.Column("name", Name),
    sa.Column("description", Text),
    sa.Column("status", Name, nullable=False),
    sa.Column("progress", Name),
    sa.Column("size", Integer, nullable=False),
    sa.Column("type_id", Id),
    sa.Column("host", Name),
    sa.Column("backend", Name),
    sa.Column("group_snapshot_id", Id),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("consumes_quota", Boolean, nullable=False),
    # What opens the encrypted bytes, sealed by the cloud's vault, and under which name it is shown.
    sa.Column("key_id", Id),
    sa.Column("sealed_key", Text),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment),
    sa.Index("volume_snapshots_of_project", "project_id", "created_at", "id"),
    sa.Index("volume_snapshots_of_volume", "volume_id"),
    sa.Index("volume_snapshots_of_group", "group_snapshot_id"),
)

ATTACHMENTS = sa.Table(
    "volume_attachments",
    BLOCK_STORAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("volume_id", Id, sa.ForeignKey("volumes.id", ondelete="CASCADE"), nullable=False),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("server_id", Id),
    sa.Column("host", Name),
    sa.Column("status", Name, nullable=False),
    sa.Column("mode", Name),
    sa.Column("device", Name),
    sa.Column("connector", Json),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("attached_at", Moment),
    # What hosts prove by that they may reach the volume where its host serves it, sealed by the cloud's vault.
    sa.Column("sealed_key", Text),
    sa.Index("volume_attachments_of_volume", "volume_id"),
    sa.Index("volume_attachments_of_server", "server_id"),
    sa.Index("volume_attachments_by_age", "created_at", "id"),
)

TRANSFERS = sa.Table(
    "volume_transfers",
    BLOCK_STORAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("volume_id", Id, nullable=False),
    sa.Column("name", Name),
    sa.Column("salt", Name, nullable=False),
    sa.Column("digest", Name, nullable=False),
    sa.Column("source_project_id", Id, nullable=False),
    sa.Column("destination_project_id", Id),
    sa.Column("accepted", Boolean, nullable=False),
    sa.Column("no_snapshots", Boolean, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index("volume_transfers_of_project", "source_project_id", "created_at"),
)

BACKUPS = sa.Table(
    "volume_backups",
    BLOCK_STORAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("volume_id", Id, nullable=False),
    sa.Column("snapshot_id", Id),
    sa.Column("parent_id", Id),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("user_id", Id, nullable=False),
    sa.Column("name", Name),
    sa.Column("description", Text),
    sa.Column("status", Name, nullable=False),
    sa.Column("fail_reason", Text),
    sa.Column("size", Integer, nullable=False),
    sa.Column("object_count", Integer, nullable=False),
    sa.Column("container", Name),
    sa.Column("host", Name),
    sa.Column("backend", Name),
    sa.Column("zone", Name),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("restores", Id),  # the volume it is being written to
    sa.Column("snapshot_at", Moment),
    # Under which name its bytes are kept, where that is not its id; and what the volume was called and knew.
    sa.Column("stored_as", Id),
    sa.Column("kept", Json),
    sa.Column("store", Text),  # what its bytes are in, where several hosts get at them
    # What opens the encrypted bytes, sealed by the cloud's vault, and under which name it is shown.
    sa.Column("key_id", Id),
    sa.Column("sealed_key", Text),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment),
    sa.Index("volume_backups_of_project", "project_id", "created_at", "id"),
    sa.Index("volume_backups_of_volume", "volume_id"),
    sa.Index("volume_backups_of_parent", "parent_id"),
    sa.Index("volume_backups_stored_as", "stored_as"),
)

GROUP_TYPES = sa.Table(
    "volume_group_types",
    BLOCK_STORAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Name, nullable=False, unique=True),
    sa.Column("description", Text),
    sa.Column("is_public", Boolean, nullable=False),
    sa.Column("specs", Json, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment),
)

GROUPS = sa.Table(
    "volume_groups",
    BLOCK_STORAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("user_id", Id, nullable=False),
    sa.Column("name", Name),
    sa.Column("description", Text),
    sa.Column("status", Name, nullable=False),
    sa.Column("group_type_id", Id, nullable=False),
    sa.Column("volume_types", Json, nullable=False),
    sa.Column("zone", Name),
    sa.Column("host", Name),
    sa.Column("source_group_id", Id),
    sa.Column("group_snapshot_id", Id),
    sa.Column("replication_status", Name),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment),
    sa.Index("volume_groups_of_project", "project_id", "created_at", "id"),
)

GROUP_SNAPSHOTS = sa.Table(
    "volume_group_snapshots",
    BLOCK_STORAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("group_id", Id, nullable=False),
    sa.Column("group_type_id", Id, nullable=False),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("user_id", Id, nullable=False),
    sa.Column("name", Name),
    sa.Column("description", Text),
    sa.Column("status", Name, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment),
    sa.Index("volume_group_snapshots_of_project", "project_id", "created_at", "id"),
)

MESSAGES = sa.Table(
    "volume_messages",
    BLOCK_STORAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("request_id", Name),
    sa.Column("resource_type", Name, nullable=False),
    sa.Column("resource_id", Id),
    sa.Column("action", Name, nullable=False),
    sa.Column("detail", Name, nullable=False),
    sa.Column("level", Name, nullable=False),
    sa.Column("why", Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Index("volume_messages_of_project", "project_id", "created_at", "id"),
    sa.Index("volume_messages_by_end", "expires_at"),
)

# A project's limits; those of the default class stand under class:default.
QUOTAS = sa.Table(
    "block_storage_quotas",
    BLOCK_STORAGE,
    sa.Column("project_id", Id, primary_key=True),
    sa.Column("name", Name, primary_key=True),
    sa.Column("most", BigInteger, nullable=False),
)

# What an admin said of a service on a host; one without a row is enabled.
SERVICES = sa.Table(
    "block_storage_services",
    BLOCK_STORAGE,
    sa.Column("host", Name, primary_key=True),
    sa.Column("program", Name, primary_key=True),
    sa.Column("disabled", Boolean, nullable=False),
    sa.Column("reason", Text),
    sa.Column("frozen", Boolean, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
)

"""Compute's tables."""

import sqlalchemy as sa

from pileus.kit.db import BigInteger, Boolean, Float, Id, Integer, Json, Moment, Name, Text, metadata

COMPUTE = metadata()

FLAVORS = sa.Table(
    "flavors",
    COMPUTE,
    sa.Column("id", Name, primary_key=True),
    sa.Column("name", Name, nullable=False, unique=True),
    sa.Column("vcpus", Integer, nullable=False),
    sa.Column("ram", Integer, nullable=False),
    sa.Column("disk", Integer, nullable=False),
    sa.Column("ephemeral", Integer, nullable=False),
    sa.Column("swap", Integer, nullable=False),
    sa.Column("rxtx_factor", Float, nullable=False),
    sa.Column("is_public", Boolean, nullable=False),
    sa.Column("disabled", Boolean, nullable=False),
    sa.Column("description", Text),
    sa.Column("extra_specs", Json, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

FLAVOR_ACCESS = sa.Table(
    "flavor_access",
    COMPUTE,
    sa.Column("flavor_id", Name, sa.ForeignKey("flavors.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("project_id", Id, primary_key=True),
    sa.Index("flavors_of_project", "project_id"),
)

KEYPAIRS = sa.Table(
    "keypairs",
    COMPUTE,
    sa.Column("number", BigInteger, primary_key=True),
    sa.Column("name", Name, nullable=False),
    sa.Column("user_id", Id, nullable=False),
    sa.Column("type", Name, nullable=False),
    sa.Column("fingerprint", Name, nullable=False),
    sa.Column("public_key", Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.UniqueConstraint("user_id", "name"),
)

SERVERS = sa.Table(
    "servers",
    COMPUTE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Name, nullable=False),
    sa.Column("description", Text),
    sa.Column("hostname", Name, nullable=False),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("user_id", Id, nullable=False),
    sa.Column("reservation_id", Name, nullable=False),
    sa.Column("launch_index", Integer, nullable=False),
    sa.Column("flavor", Json, nullable=False),
    # Copies of what the JSON beside them says, to filter and to add up by.
    sa.Column("flavor_id", Name, nullable=False),
    sa.Column("vcpus", Integer, nullable=False),
    sa.Column("ram", Integer, nullable=False),
    sa.Column("image", Json),
    sa.Column("image_id", Id),
    sa.Column("key", Json),
    sa.Column("key_name", Name),
    sa.Column("user_data", Text),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("tags", Json, nullable=False),
    sa.Column("hints", Json, nullable=False),
    sa.Column("group_id", Id),
    sa.Column("security_groups", Json, nullable=False),
    sa.Column("zone_wanted", Name),
    sa.Column("host_wanted", Name),
    sa.Column("host", Name),
    sa.Column("power_wanted", Name, nullable=False),
    sa.Column("restarts", Json, nullable=False),
    sa.Column("broken", Boolean, nullable=False),
    sa.Column("fault", Json),
    # What the server is besides running or not: paused, suspended, rescued, resized, shelved, shelved_offloaded.
    sa.Column("phase", Name),
    sa.Column("disk_generation", Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("rescue", Json),
    sa.Column("resized", Json),
    sa.Column("shelf", Id),
    sa.Column("config_drive", Boolean, nullable=False, server_default=sa.false()),
    sa.Column("own_disks", Json),
    sa.Column("certificates", Json),
    sa.Column("card_tags", Json, nullable=False, server_default=sa.text("'{}'")),
    sa.Column("files", Json, nullable=False, server_default=sa.text("'[]'")),
    sa.Column("password", Text),
    sa.Column("locked_by", Name),
    sa.Column("locked_reason", Text),
    sa.Column("access_ipv4", Name),
    sa.Column("access_ipv6", Name),
    sa.Column("disk_config", Name, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("launched_at", Moment),
    sa.Column("deleted_at", Moment),
)
_live = SERVERS.c.deleted_at.is_(None)
sa.Index(
    "servers_of_project",
    SERVERS.c.project_id,
    SERVERS.c.created_at,
    SERVERS.c.id,
    sqlite_where=_live,
    postgresql_where=_live,
)
sa.Index("servers_in_use", SERVERS.c.project_id, SERVERS.c.vcpus, SERVERS.c.ram, sqlite_where=_live,
         postgresql_where=_live)  # fmt: skip
sa.Index("servers_by_age", SERVERS.c.created_at, SERVERS.c.id, sqlite_where=_live, postgresql_where=_live)
sa.Index("servers_on_host", SERVERS.c.host, sqlite_where=_live, postgresql_where=_live)
sa.Index("servers_in_group", SERVERS.c.group_id, sqlite_where=_live, postgresql_where=_live)

# What an admin said of a host as a place for servers; a host without a row is enabled.
HOST_SETTINGS = sa.Table(
    "host_settings",
    COMPUTE,
    sa.Column("host", Name, primary_key=True),
    sa.Column("disabled", Boolean, nullable=False),
    sa.Column("reason", Text),
    sa.Column("forced_down", Boolean, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
)

# Hosts that are being emptied, and what became of each server on them.
HOST_DRAINS = sa.Table(
    "host_drains",
    COMPUTE,
    sa.Column("host", Name, primary_key=True),
    sa.Column("live_only", Boolean, nullable=False),
    sa.Column("since", Moment, nullable=False),
)

DRAINED_SERVERS = sa.Table(
    "drained_servers",
    COMPUTE,
    sa.Column("host", Name, primary_key=True),
    sa.Column("server_id", Id, primary_key=True),
    sa.Column("name", Name, nullable=False),
    sa.Column("way", Name, nullable=False),
    sa.Column("operation", Id),
    sa.Column("state", Name, nullable=False),
    sa.Column("why", Text),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Index("drained_servers_by_state", "state"),
)

QUOTAS = sa.Table(
    "compute_quotas",
    COMPUTE,
    sa.Column("project_id", Id, primary_key=True),
    sa.Column("name", Name, primary_key=True),
    sa.Column("most", Integer, nullable=False),
)

USER_QUOTAS = sa.Table(
    "compute_user_quotas",
    COMPUTE,
    sa.Column("project_id", Id, primary_key=True),
    sa.Column("user_id", Id, primary_key=True),
    sa.Column("name", Name, primary_key=True),
    sa.Column("most", Integer, nullable=False),
)

SERVER_GROUPS = sa.Table(
    "server_groups",
    COMPUTE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Name, nullable=False),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("user_id", Id, nullable=False),
    sa.Column("policy", Name, nullable=False),
    sa.Column("most_per_host", Integer),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index("server_groups_of_project", "project_id"),
)

AGGREGATES = sa.Table(
    "aggregates",
    COMPUTE,
    sa.Column("number", BigInteger, primary_key=True),
    sa.Column("id", Id, nullable=False, unique=True),
    sa.Column("name", Name, nullable=False, unique=True),
    sa.Column("zone", Name),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment),
)

AGGREGATE_HOSTS = sa.Table(
    "aggregate_hosts",
    COMPUTE,
    sa.Column("aggregate", BigInteger, sa.ForeignKey("aggregates.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("host", Name, primary_key=True),
    sa.Index("aggregates_of_host", "host"),
)

CONSOLE_TOKENS = sa.Table(
    "console_tokens",
    COMPUTE,
    sa.Column("hash", Id, primary_key=True),
    sa.Column("server_id", Id, nullable=False),
    sa.Column("host", Name, nullable=False),
    sa.Column("kind", Name, nullable=False),
    sa.Column("console_type", Name, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Index("console_tokens_by_end", "expires_at"),
)

# Passwords on their way to guests, sealed with keys that are not in here.
GIVEN_PASSWORDS = sa.Table(
    "given_passwords",
    COMPUTE,
    sa.Column("server_id", Id, primary_key=True),
    sa.Column("for_rescue", Boolean, primary_key=True),
    sa.Column("reference", Name, nullable=False),
    sa.Column("sealed", Text, nullable=False),
    sa.Column("try_at", Moment),
    sa.Column("tries", Integer, nullable=False),
    sa.Column("given_at", Moment, nullable=False),
    sa.Index("given_passwords_due", "try_at"),
)

# How servers came from one host or size to another; each row is named after the operation that does it.
MIGRATIONS = sa.Table(
    "migrations",
    COMPUTE,
    sa.Column("number", BigInteger, primary_key=True),
    sa.Column("id", Id, nullable=False, unique=True),
    sa.Column("type", Name, nullable=False),
    sa.Column("status", Name, nullable=False),
    sa.Column("server_id", Id, nullable=False),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("user_id", Id, nullable=False),
    sa.Column("source_host", Name),
    sa.Column("dest_host", Name),
    sa.Column("old_flavor", Name),
    sa.Column("new_flavor", Name),
    sa.Column("hurry", Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Index("migrations_of_server", "server_id", "number"),
    sa.Index("migrations_of_project", "project_id", "number"),
)

# Which volume is which disk of a server.
SERVER_VOLUMES = sa.Table(
    "server_volumes",
    COMPUTE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("server_id", Id, nullable=False),
    sa.Column("volume_id", Id, nullable=False),
    sa.Column("attachment_id", Id, nullable=False),
    sa.Column("place", Integer, nullable=False),
    sa.Column("boot_index", Integer),
    sa.Column("delete_on_termination", Boolean, nullable=False),
    sa.Column("tag", Name),
    sa.Column("source", Json),
    sa.Column("connected", Json),
    sa.Column("edition", Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("successor", Json),
    sa.Column("created_at", Moment, nullable=False),
    sa.UniqueConstraint("server_id", "place"),
    sa.UniqueConstraint("server_id", "volume_id"),
    sa.Index("server_volumes_of_volume", "volume_id"),
)

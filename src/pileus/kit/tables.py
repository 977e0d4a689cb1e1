"""The kit's own tables: operations with their steps, what hosts shall have and have, and events.

They belong to no service; every service's database holds them, and the services' own tables never refer to them by
foreign key, so that history may be dropped at any time.
"""

import sqlalchemy as sa

from pileus.kit import db
from pileus.kit.db import BigInteger, Boolean, Id, Integer, Json, Moment, Name, Text

metadata = db.metadata()

operations = sa.Table(
    "operations",
    metadata,
    sa.Column("number", BigInteger, primary_key=True),
    sa.Column("id", Id, nullable=False, unique=True),
    sa.Column("flow", Name, nullable=False),
    sa.Column("subject", Name, nullable=False),
    sa.Column("args", Json, nullable=False),
    sa.Column("facts", Json, nullable=False),
    sa.Column("step", Name, nullable=False),
    sa.Column("shows", Name),
    sa.Column("undoing", Boolean, nullable=False),
    sa.Column("back_to", Name),
    sa.Column("failure", Text),
    sa.Column("attempts", Integer, nullable=False),
    sa.Column("tries", Integer, nullable=False),
    sa.Column("turn_back", Text),
    sa.Column("generation", Integer, nullable=False),
    sa.Column("created", Moment, nullable=False),
    sa.Column("updated", Moment, nullable=False),
    sa.Column("begun", Moment, nullable=False),
    sa.Column("finished", Moment),
    sa.Column("look_again_at", Moment, nullable=False),
    sa.Column("waiting_why", Text),
    sa.Column("deadline", Moment),
    sa.Column("state", Name, nullable=False),
    sa.Column("project_id", Id),
    sa.Column("user_id", Id),
    sa.Column("request_id", Name),
    sa.Column("holder", Name),
)

_running = operations.c.state == sa.literal_column("'running'")
_queued = operations.c.state == sa.literal_column("'queued'")

# One running operation per subject, and one that follows it, are held by the database and not by a lock.
sa.Index("one_running_per_subject", operations.c.subject, unique=True, sqlite_where=_running, postgresql_where=_running)
sa.Index("one_queued_per_subject", operations.c.subject, unique=True, sqlite_where=_queued, postgresql_where=_queued)
sa.Index("operations_due", operations.c.look_again_at, sqlite_where=_running, postgresql_where=_running)
sa.Index("operations_of_subject", operations.c.subject, operations.c.number)

operation_steps = sa.Table(
    "operation_steps",
    metadata,
    sa.Column("number", BigInteger, primary_key=True),
    sa.Column("operation", Id, nullable=False),
    sa.Column("step", Name, nullable=False),
    sa.Column("undoing", Boolean, nullable=False),
    sa.Column("started", Moment, nullable=False),
    sa.Column("finished", Moment),
    sa.Column("result", Name),
    sa.Column("why", Text),
    sa.Column("host", Name),
    sa.Index("steps_of_operation", "operation", "number"),
)

# The controllers alive: each adds to its count, and is struck out by the others when it does so no more.
controllers = sa.Table(
    "controllers",
    metadata,
    sa.Column("name", Name, primary_key=True),
    sa.Column("place", Name, nullable=False),
    sa.Column("beat", BigInteger, nullable=False),
)

# Which controller a host listens to, and where other controllers reach that one.
host_listeners = sa.Table(
    "host_listeners",
    metadata,
    sa.Column("host", Name, primary_key=True),
    sa.Column("controller", Name, nullable=False),
    sa.Column("address", Name, nullable=False),
)

# What a cloud has once, wherever that is: the network's southbound database.
cloud_addresses = sa.Table(
    "cloud_addresses",
    metadata,
    sa.Column("name", Name, primary_key=True),
    sa.Column("address", Name, nullable=False),
)

# Which controller runs what stands for ever; it means nothing once that controller has no row.
standing_holders = sa.Table(
    "standing_holders",
    metadata,
    sa.Column("name", Name, primary_key=True),
    sa.Column("holder", Name, nullable=False),
)

hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("name", Name, primary_key=True),
    sa.Column("facts", Json, nullable=False),
    sa.Column("joined", Moment, nullable=False),
    sa.Column("last_heard", Moment, nullable=False),
)

# Counts the changes to what one host shall have. Its row is locked while a change is made, so a host that has read up to
# some number has missed nothing below it.
host_cursors = sa.Table(
    "host_cursors",
    metadata,
    sa.Column("host", Name, primary_key=True),
    sa.Column("cursor", BigInteger, nullable=False, autoincrement=False),
)

# Hosts that joined from afar prove themselves by the certificate with this serial number, or with the one before.
host_certificates = sa.Table(
    "host_certificates",
    metadata,
    sa.Column("host", Name, primary_key=True),
    sa.Column("serial", Name, nullable=False),
    sa.Column("former_serial", Name),
    sa.Column("joined", Moment, nullable=False),
    sa.Column("expires", Moment, nullable=False),
)

# What a machine may join with, once. `key` is the digest of the public key of the machine that did.
join_tokens = sa.Table(
    "join_tokens",
    metadata,
    sa.Column("digest", Name, primary_key=True),
    sa.Column("expires", Moment, nullable=False),
    sa.Column("used", Moment),
    sa.Column("host", Name),
    sa.Column("key", Name),
)

wanted = sa.Table(
    "wanted",
    metadata,
    sa.Column("host", Name, primary_key=True),
    sa.Column("kind", Name, primary_key=True),
    sa.Column("id", Id, primary_key=True),
    sa.Column("generation", BigInteger, nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("gone", Boolean, nullable=False),
    sa.Index("wanted_since", "host", "generation"),
    sa.Index("wanted_by_id", "kind", "id"),
)

seen = sa.Table(
    "seen",
    metadata,
    sa.Column("host", Name, primary_key=True),
    sa.Column("kind", Name, primary_key=True),
    sa.Column("id", Id, primary_key=True),
    sa.Column("generation", BigInteger, nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("present", Boolean, nullable=False),
    sa.Column("failure", Text),
    sa.Column("updated", Moment, nullable=False),
    sa.Index("seen_by_id", "kind", "id"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("number", BigInteger, primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("kind", Name, nullable=False),
    sa.Column("subject", Name, nullable=False),
    sa.Column("project_id", Id),
    sa.Column("user_id", Id),
    sa.Column("request_id", Name),
    sa.Column("payload", Json, nullable=False),
    sa.Index("events_of_subject", "subject", "number"),
    sa.Index("events_of_request", "request_id"),
)

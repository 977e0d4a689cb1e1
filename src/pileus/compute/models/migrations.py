"""Migrations: how servers came from one host, or from one size, to another."""

import datetime as dt
import enum

import msgspec


class MigrationType(enum.StrEnum):
    """Why a server moves."""

    RESIZE = "resize"
    COLD = "migration"
    LIVE = "live-migration"
    EVACUATION = "evacuation"


class MigrationStatus(enum.StrEnum):
    """How far it is. Resized and moved servers are `finished` until that is confirmed or reverted."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    PREPARING = "preparing"
    PRE_MIGRATING = "pre-migrating"
    MIGRATING = "migrating"
    RUNNING = "running"
    POST_MIGRATING = "post-migrating"
    FINISHED = "finished"
    CONFIRMED = "confirmed"
    REVERTED = "reverted"
    COMPLETED = "completed"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    ERROR = "error"


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One way of a server from here to there. Its id is that of the operation that takes it there."""

    number: int = 0  # the id that clients before 2.59 know
    id: str
    type: MigrationType
    status: MigrationStatus
    server_id: str
    project_id: str
    user_id: str
    source_host: str | None = None
    dest_host: str | None = None
    old_flavor: str | None = None
    new_flavor: str | None = None
    hurry: bool = False  # it is to end, even if the server stands still for that
    created_at: dt.datetime
    updated_at: dt.datetime

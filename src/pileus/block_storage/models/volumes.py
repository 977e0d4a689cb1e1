"""Volumes and what is done with them: values, statuses and pure rules."""

import datetime as dt
from typing import Any

import msgspec

CREATING = "creating"
AVAILABLE = "available"
IN_USE = "in-use"
RESERVED = "reserved"
ATTACHING = "attaching"
DETACHING = "detaching"
DELETING = "deleting"
EXTENDING = "extending"
UPLOADING = "uploading"
RETYPING = "retyping"
REVERTING = "reverting"
BACKING_UP = "backing-up"
RESTORING = "restoring-backup"
DOWNLOADING = "downloading"
AWAITING_TRANSFER = "awaiting-transfer"
MANAGING = "managing"
MAINTENANCE = "maintenance"
ERROR = "error"
ERROR_DELETING = "error_deleting"
ERROR_EXTENDING = "error_extending"
ERROR_RESTORING = "error_restoring"
ERROR_BACKING_UP = "error_backing-up"
ERROR_MANAGING = "error_managing"
BUSY = frozenset({
    CREATING, ATTACHING, DETACHING, DELETING, EXTENDING, UPLOADING, RETYPING, REVERTING, BACKING_UP, RESTORING,
    DOWNLOADING, MANAGING,
})  # fmt: skip
# What an admin may say a volume's status is.
RESETTABLE = (
    CREATING, AVAILABLE, DELETING, ERROR, ERROR_DELETING, ERROR_MANAGING, MANAGING, ATTACHING, DETACHING, IN_USE,
    MAINTENANCE, RESERVED, AWAITING_TRANSFER, BACKING_UP, RESTORING, EXTENDING, RETYPING, UPLOADING, DOWNLOADING,
    ERROR_BACKING_UP, ERROR_RESTORING, ERROR_EXTENDING,
)  # fmt: skip
DELETABLE = frozenset({AVAILABLE, ERROR, ERROR_RESTORING, ERROR_EXTENDING, ERROR_MANAGING, ERROR_BACKING_UP})
IDLE_MIGRATION = frozenset({None, "deleting", "error", "success"})  # those who do not move just now
RESTORING_SNAPSHOT = "restoring"  # a snapshot while its volume goes back to it
ATTACHED = "attached"
DETACHED = "detached"


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a volume's bytes come from; `format` is that of an image in qemu-img's words, `claim` in those of images; `host` and
    `backend` are where it lay then.

    A backup without a host is in a store that the volume's host has; `chain` are the backups it is built on.
    """

    kind: str  # image, volume, snapshot, backup, disk
    id: str
    format: str = "raw"
    size: int = 0  # bytes of an image's file
    shared: str | None = None  # where back ends of a cluster can clone an image
    host: str | None = None
    backend: str | None = None
    chain: tuple[str, ...] = ()
    claim: str = ""


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A volume's row."""

    id: str
    project_id: str
    user_id: str
    name: str | None
    description: str | None = None
    size: int  # GiB
    status: str = CREATING
    previous_status: str | None = None
    wanted_size: int | None = None  # GiB, while it grows
    migration_status: str | None = None
    attach_status: str = DETACHED
    type_id: str | None
    zone: str | None
    host: str | None = None
    backend: str | None = None
    content: int = 0
    origin: Origin | None = None
    bootable: bool = False
    readonly: bool | None = None
    multiattach: bool = False
    snapshot_id: str | None = None
    source_volid: str | None = None
    backup_id: str | None = None
    group_id: str | None = None
    metadata: dict[str, str] = {}
    image_metadata: dict[str, str] = {}
    encryption: dict[str, Any] | None = None
    consumes_quota: bool = True
    key_id: str | None = None
    sealed_key: str | None = None
    created_at: dt.datetime
    updated_at: dt.datetime | None = None
    launched_at: dt.datetime | None = None

    @property
    def subject(self) -> str:
        """What operations on it are about."""
        return f"volume:{self.id}"

    @property
    def place(self) -> str | None:
        """Where it is, as this API writes it."""
        return None if self.host is None else f"{self.host}@{self.backend}#{self.backend}"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot's row."""

    id: str
    volume_id: str
    project_id: str
    user_id: str
    name: str | None
    description: str | None = None
    status: str = CREATING
    progress: str | None = "0%"
    size: int
    type_id: str | None
    host: str | None
    backend: str | None
    group_snapshot_id: str | None = None
    metadata: dict[str, str] = {}
    consumes_quota: bool = True
    key_id: str | None = None
    sealed_key: str | None = None
    created_at: dt.datetime
    updated_at: dt.datetime | None = None

    @property
    def subject(self) -> str:
        """What operations on it are about."""
        return f"volume_snapshot:{self.id}"


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """Who has a volume, or is about to."""

    id: str
    volume_id: str
    project_id: str
    server_id: str | None = None
    host: str | None = None
    status: str = RESERVED
    mode: str | None = None
    device: str | None = None
    connector: dict[str, Any] | None = None
    created_at: dt.datetime
    attached_at: dt.datetime | None = None
    sealed_key: str | None = None


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """An offer of a volume to whoever knows its key."""

    id: str
    volume_id: str
    name: str | None
    salt: str
    digest: str
    source_project_id: str
    destination_project_id: str | None = None
    accepted: bool = False
    no_snapshots: bool = False
    created_at: dt.datetime

    def policy_target(self) -> dict[str, object]:
        """What policy rules see."""
        return {"project_id": self.source_project_id}


def status_by_attachments(attachments: list[Attachment]) -> tuple[str, str]:
    """The status and the attach status of a volume with these attachments."""
    # Who shares a volume waits for it to be in-use again before he asks for the next change.
    for status, shown in ((DETACHING, (DETACHING, ATTACHED)), (ATTACHED, (IN_USE, ATTACHED))):
        if any(each.status == status for each in attachments):
            return shown
    for status, shown in ((ATTACHING, (ATTACHING, DETACHED)), (RESERVED, (RESERVED, DETACHED))):
        if any(each.status == status for each in attachments):
            return shown
    return AVAILABLE, DETACHED


def place_of(text: str) -> tuple[str, str | None]:
    """Host and back end of `host@backend#pool`."""
    host, _, rest = text.partition("@")
    return host, rest.partition("#")[0] or None

"""Backups of volumes."""

import datetime as dt

import msgspec

CREATING = "creating"
AVAILABLE = "available"
RESTORING = "restoring"
DELETING = "deleting"
ERROR = "error"
ERROR_DELETING = "error_deleting"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup keeps of its volume besides the bytes."""

    metadata: dict[str, str] = {}
    image_metadata: dict[str, str] = {}
    bootable: bool = False
    type_id: str | None = None


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup's row."""

    id: str
    volume_id: str
    snapshot_id: str | None = None
    parent_id: str | None = None
    project_id: str
    user_id: str
    name: str | None
    description: str | None = None
    status: str = CREATING
    fail_reason: str | None = None
    size: int
    object_count: int = 0
    container: str | None = None
    host: str | None
    backend: str | None
    zone: str | None = None
    metadata: dict[str, str] = {}
    restores: str | None = None
    snapshot_at: dt.datetime | None = None
    stored_as: str | None = None
    store: str | None = None
    kept: Kept | None = None
    key_id: str | None = None
    sealed_key: str | None = None
    created_at: dt.datetime
    updated_at: dt.datetime | None = None

    @property
    def subject(self) -> str:
        """What operations on it are about."""
        return f"volume_backup:{self.id}"

    @property
    def disk_id(self) -> str:
        """Under which name its bytes are kept."""
        return self.stored_as or self.id

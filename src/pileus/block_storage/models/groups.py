"""Groups of volumes, and snapshots of all of a group's volumes at once."""

import datetime as dt

import msgspec


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group's row."""

    id: str
    project_id: str
    user_id: str
    name: str | None
    description: str | None = None
    status: str = "creating"
    group_type_id: str
    volume_types: tuple[str, ...] = ()
    zone: str | None = None
    host: str | None = None
    source_group_id: str | None = None
    group_snapshot_id: str | None = None
    replication_status: str | None = "disabled"
    created_at: dt.datetime
    updated_at: dt.datetime | None = None

    @property
    def subject(self) -> str:
        """What operations on it are about."""
        return f"volume_group:{self.id}"


class GroupSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A group snapshot's row."""

    id: str
    group_id: str
    group_type_id: str
    project_id: str
    user_id: str
    name: str | None
    description: str | None = None
    status: str = "creating"
    created_at: dt.datetime
    updated_at: dt.datetime | None = None

    @property
    def subject(self) -> str:
        """What operations on it are about."""
        return f"volume_group_snapshot:{self.id}"

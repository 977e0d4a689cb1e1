"""Backups of volumes."""

from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from pileus.block_storage import errors
from pileus.block_storage.api.listing import filters, paged, wants_count
from pileus.block_storage.api.service import (
    Flag,
    Link,
    Metadata,
    Name,
    RealName,
    Uuid,
    admin,
    api,
    flag,
    links,
    member,
    moment,
    page_of,
    reader,
    scope,
    trimmed,
)
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import backups as commands
from pileus.block_storage.commands.volumes import volume_get
from pileus.block_storage.models.backups import Backup
from pileus.block_storage.store.backups import backups, has_children
from pileus.kit.auth import Caller
from pileus.kit.http import Call, F, Page, Query, Wire

THIS = "/backups/{backup_id}"
ACTION = THIS + "/action"
CREATE = member("backup:create")
FILTERS = {"name": "name", "display_name": "name", "status": "status", "volume_id": "volume_id", "id": "id"}


class BackupBrief(Wire, kw_only=True):
    """A backup in a list without details."""

    id: str
    name: str | None
    links: list[Link]


class BackupView(BackupBrief, kw_only=True):
    """A backup."""

    status: str
    size: int
    object_count: int
    availability_zone: str | None
    container: str | None
    created_at: str | None
    updated_at: str | None
    description: str | None
    fail_reason: str | None
    volume_id: str
    is_incremental: bool
    has_dependent_backups: bool
    snapshot_id: str | None
    data_timestamp: str | None
    of_project: Annotated[
        str, F("os-backup-project-attr:project_id", since="3.18", rule="backup:backup_project_attribute")
    ]
    metadata: Annotated[dict[str, str], F(since="3.43")]
    user_id: Annotated[str, F(since="3.56")]
    encryption_key_id: Annotated[str | UnsetType, F(since="3.64")] = UNSET


class BackupCreate(Wire, kw_only=True):
    """A backup to make."""

    volume_id: Uuid
    name: Name | None = None
    description: Name | None = None
    container: Name | None = None
    snapshot_id: Uuid | None = None
    incremental: Flag = False
    force: Flag = False
    metadata: Annotated[Metadata | None, F(since="3.43")] = None
    zone: Annotated[Name | None, F("availability_zone", since="3.51")] = None


class BackupUpdate(Wire, kw_only=True):
    """What may be changed of a backup."""

    name: Name | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    metadata: Annotated[Metadata | UnsetType, F(since="3.43")] = UNSET


class BackupsQuery(Query):
    """Whose backups."""

    all_tenants: str | None = None
    project_id: str | None = None


async def backup_find(app: BlockStorage, caller: Caller, backup_id: str) -> Backup:
    """The backup a path names; raises BackupNotFound."""
    return await commands.backup_get(app, caller, backup_id)


def _brief(call: Call[BlockStorage], backup: Backup) -> BackupBrief:
    return BackupBrief(id=backup.id, name=backup.name, links=links(call, f"/backups/{backup.id}"))


async def _views(call: Call[BlockStorage], found: list[Backup]) -> list[BackupView]:
    parents = await has_children(call.app, [backup.id for backup in found])
    return [_view(call, backup, dependent=backup.id in parents) for backup in found]


def _view(call: Call[BlockStorage], backup: Backup, *, dependent: bool) -> BackupView:
    return BackupView(
        id=backup.id,
        name=backup.name,
        links=links(call, f"/backups/{backup.id}"),
        status=backup.status,
        size=backup.size,
        object_count=backup.object_count,
        availability_zone=backup.zone,
        container=backup.container,
        created_at=moment(backup.created_at),
        updated_at=moment(backup.updated_at),
        description=backup.description,
        fail_reason=backup.fail_reason,
        volume_id=backup.volume_id,
        is_incremental=backup.parent_id is not None,
        has_dependent_backups=dependent,
        snapshot_id=backup.snapshot_id,
        data_timestamp=moment(backup.snapshot_at),
        of_project=backup.project_id,
        metadata=backup.metadata,
        user_id=backup.user_id,
    )


async def _page(call: Call[BlockStorage], query: BackupsQuery, page: Page) -> list[Backup]:
    where = {**scope(call, query.all_tenants, query.project_id), **filters(call, FILTERS, "backup")}
    limit = page_of(call, page)
    found = await paged(
        call,
        lambda marker, count: backups.list(call.app, where, page.sort, marker=marker, limit=count),
        limit,
        page.marker,
    )
    if wants_count(call):
        page.total = await backups.count(call.app, where)
    return found


@api.get("/backups", reader("backup:get_all"), key="backups")
async def index(call: Call[BlockStorage], query: BackupsQuery, page: Page) -> list[BackupBrief]:
    """List backups."""
    return [_brief(call, each) for each in await _page(call, query, page)]


@api.get("/backups/detail", reader("backup:get_all"), key="backups")
async def detail(call: Call[BlockStorage], query: BackupsQuery, page: Page) -> list[BackupView]:
    """List backups with details."""
    return await _views(call, await _page(call, query, page))


api.declare(admin("backup:backup_project_attribute"))


@api.post("/backups", CREATE, key="backup", status=202, late=True)
async def create(call: Call[BlockStorage], body: BackupCreate) -> BackupBrief:
    """Make a backup of a volume or snapshot; it is written in the background."""
    volume = await volume_get(call.app, call.caller, body.volume_id)
    call.require(CREATE.name, {"project_id": volume.project_id, "user_id": volume.user_id})
    new = commands.NewBackup(
        name=trimmed(body.name),
        description=trimmed(body.description),
        container=body.container,
        snapshot_id=body.snapshot_id,
        incremental=flag(body.incremental, "incremental"),
        force=flag(body.force, "force"),
        metadata=body.metadata or {},
        zone=body.zone,
    )
    return _brief(call, await commands.create_backup(call.app, call.caller, volume, new, call.request_id))


@api.get(THIS, reader("backup:get"), key="backup", find=backup_find)
async def show(call: Call[BlockStorage], backup: Backup) -> BackupView:
    """Show a backup."""
    return (await _views(call, [backup]))[0]


@api.put(THIS, member("backup:update"), key="backup", find=backup_find, since="3.9")
async def update(call: Call[BlockStorage], backup: Backup, body: BackupUpdate) -> BackupBrief:
    """Change a backup's name and the like."""
    changes: dict[str, Any] = body.given()
    if not changes:
        raise errors.BadRequest(why="At least one of name, description or metadata.")
    return _brief(call, await backups.change(call.app, backup, **changes))


@api.delete(THIS, member("backup:delete"), find=backup_find, status=202)
async def delete(call: Call[BlockStorage], backup: Backup) -> None:
    """Delete a backup."""
    await commands.delete_backup(call.app, call.caller, backup, call.request_id)


class Restore(Wire, kw_only=True):
    """Where to write a backup."""

    volume_id: Uuid | None = None
    name: Name | None = None


class Restoring(Wire):
    """Where a backup is being written."""

    backup_id: str
    volume_id: str
    volume_name: str | None


@api.post(THIS + "/restore", member("backup:restore"), key="restore", find=backup_find, status=202)
async def restore(call: Call[BlockStorage], backup: Backup, body: Restore) -> Restoring:
    """Write a backup to a volume."""
    volume_id, name = await commands.restore_backup(
        call.app, call.caller, backup, body.volume_id, body.name, call.request_id
    )
    return Restoring(backup_id=backup.id, volume_id=volume_id, volume_name=name)


class Record(Wire):
    """What another cloud has to know of a backup."""

    backup_service: RealName
    backup_url: str


@api.get(THIS + "/export_record", admin("backup:export-import"), key="backup-record", find=backup_find)
async def export_record(call: Call[BlockStorage], backup: Backup) -> Record:
    """Say what another cloud has to know of a backup."""
    return Record(backup_service=commands.service_of(backup), backup_url=commands.exported(backup))


@api.post("/backups/import_record", admin("backup:backup-import"), key="backup-record", reply_key="backup")
async def import_record(call: Call[BlockStorage], body: Record) -> BackupBrief:
    """Know of a backup what another cloud said."""
    made = await commands.import_backup(call.app, call.caller, body.backup_service, body.backup_url, call.request_id)
    return _brief(call, made)


class Status(Wire):
    """What a backup is to be shown as."""

    status: RealName


@api.action(ACTION, "os-reset_status", admin("volume_extension:backup_admin_actions:reset_status"), find=backup_find)
async def reset_status(call: Call[BlockStorage], backup: Backup, body: Status) -> None:
    """Say what a backup is, against all evidence."""
    if body.status not in {"available", "error"}:
        raise errors.BadRequest(why=f"Invalid input for field/attribute status: '{body.status}' is no status to set.")
    await commands.reset_backup(call.app, backup, body.status)


@api.action(ACTION, "os-force_delete", admin("volume_extension:backup_admin_actions:force_delete"), find=backup_find)
async def force_delete(call: Call[BlockStorage], backup: Backup, body: dict[str, Any] | None) -> None:
    """Delete a backup whatever it is."""
    await commands.delete_backup(call.app, call.caller, backup, call.request_id, force=True)

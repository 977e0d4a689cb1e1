"""Groups of volumes, their types and their snapshots: what can be asked of them."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import quotas
from pileus.block_storage.commands.create import NewVolume, create_volume
from pileus.block_storage.commands.services import check_thawed
from pileus.block_storage.commands.snapshots import begin_delete, create_snapshot
from pileus.block_storage.commands.types import Edit, type_chosen
from pileus.block_storage.commands.volumes import mine
from pileus.block_storage.models.groups import Group, GroupSnapshot
from pileus.block_storage.models.types import GroupType
from pileus.block_storage.models.volumes import AVAILABLE, DELETING, ERROR, IN_USE, Snapshot
from pileus.block_storage.store.groups import group_snapshots, groups
from pileus.block_storage.store.types import group_type_in_use, group_type_named, group_types
from pileus.block_storage.store.volumes import attachments_of, snapshot_count, snapshots, volumes
from pileus.kit.auth import Caller
from pileus.kit.db import UniqueViolation

DEFAULT_TYPE = "default_cgsnapshot_type"


async def group_type_get(app: BlockStorage, caller: Caller, id: str) -> GroupType:
    """The group type, if the caller may use it; raises GroupTypeNotFound."""
    found = await group_types.find(app, id) or await group_type_named(app, id)
    if found is None or not (found.is_public or caller.admin):
        raise errors.GroupTypeNotFound(type=id)
    return found


async def create_group_type(
    app: BlockStorage, name: str, description: str | None, specs: Mapping[str, str], *, public: bool
) -> GroupType:
    """There is a group type; raises GroupTypeExists."""
    made = GroupType(
        id=str(uuid.uuid4()),
        name=name,
        description=description,
        is_public=public,
        specs=dict(specs),
        created_at=app.clock.now(),
    )
    try:
        await group_types.create(app, made)
    except UniqueViolation:
        raise errors.GroupTypeExists(type=name) from None
    return made


async def ensure_default_group_type(app: BlockStorage) -> None:
    """The type that consistency groups are of exists."""
    if await group_type_named(app, DEFAULT_TYPE) is None:
        specs = {"consistent_group_snapshot_enabled": "<is> True"}
        await create_group_type(app, DEFAULT_TYPE, "Default group type for migrating cgsnapshot", specs, public=True)


async def change_group_type(app: BlockStorage, type: GroupType, changes: Mapping[str, Any]) -> GroupType:
    """The group type is called so; raises GroupTypeExists."""
    try:
        return await group_types.change(app, type, **changes)
    except UniqueViolation:
        raise errors.GroupTypeExists(type=changes.get("name")) from None


async def delete_group_type(app: BlockStorage, type: GroupType) -> None:
    """There is no such group type; raises GroupTypeInUse."""
    async with app.db.transaction():
        if await group_type_in_use(app, type.id):
            raise errors.GroupTypeInUse
        await group_types.delete(app, type.id)


async def edit_group_specs(app: BlockStorage, type: GroupType, edit: Edit) -> None:
    """The group type has the specs that `edit` makes of those it has."""
    async with app.db.transaction():
        now = await group_types.find(app, type.id)
        if now is None:
            raise errors.GroupTypeNotFound(type=type.id)
        await group_types.change(app, now, specs=edit(now.specs))


async def group_get(app: BlockStorage, caller: Caller, id: str) -> Group:
    """The group, if it is the caller's project's; raises GroupNotFound."""
    found = await groups.find(app, id)
    if found is None or not mine(found.project_id, caller):
        raise errors.GroupNotFound(group=id)
    return found


async def create_group(
    app: BlockStorage,
    caller: Caller,
    *,
    name: str | None,
    description: str | None,
    group_type: str,
    volume_types: Sequence[str],
    zone: str | None,
) -> Group:
    """There is an empty group."""
    type = await group_type_get(app, caller, group_type)
    chosen = []
    for each in volume_types:
        found = await type_chosen(app, caller, each)
        assert found is not None, "a name was given"
        chosen.append(found.id)
    if zone not in {None, app.config.zone}:
        raise errors.InvalidInput(why=f"Availability zone '{zone}' is invalid.")
    async with app.db.transaction():
        await quotas.check(app, caller.project_id or "", {"groups": 1})
        made = Group(
            id=str(uuid.uuid4()),
            project_id=caller.project_id or "",
            user_id=caller.user_id,
            name=name,
            description=description,
            status=AVAILABLE,
            group_type_id=type.id,
            volume_types=tuple(dict.fromkeys(chosen)),
            zone=zone or app.config.zone,
            created_at=app.clock.now(),
        )
        await groups.create(app, made)
    return made


async def _copied(
    app: BlockStorage, caller: Caller, group_snapshot_id: str | None, source_group_id: str | None
) -> tuple[Group, list[NewVolume]]:
    """The group to be like, and the volumes to make; raises InvalidInput if there is none."""
    if group_snapshot_id is not None:
        taken = await group_snapshot_get(app, caller, group_snapshot_id)
        source = await groups.find(app, taken.group_id)
        copies = [NewVolume(name=each.name, snapshot_id=each.id) for each in await _snapshots_of(app, taken)]
    else:
        source = await group_get(app, caller, source_group_id or "")
        members = await volumes.list(app, {"group_id": source.id})
        copies = [NewVolume(name=each.name, source_volid=each.id) for each in members]
    if source is None or not copies:
        raise errors.InvalidInput(why="The source has no volumes: there is nothing to make a group of.")
    return source, copies


async def create_from_source(
    app: BlockStorage,
    caller: Caller,
    *,
    name: str | None,
    description: str | None,
    group_snapshot_id: str | None,
    source_group_id: str | None,
    request_id: str,
) -> Group:
    """There is a group whose volumes are being made of another's, or of a group snapshot's snapshots."""
    source, copies = await _copied(app, caller, group_snapshot_id, source_group_id)
    async with app.db.transaction():
        await quotas.check(app, caller.project_id or "", {"groups": 1})
        made = Group(
            id=str(uuid.uuid4()),
            project_id=caller.project_id or "",
            user_id=caller.user_id,
            name=name,
            description=description,
            group_type_id=source.group_type_id,
            volume_types=source.volume_types,
            zone=source.zone,
            source_group_id=source_group_id,
            group_snapshot_id=group_snapshot_id,
            created_at=app.clock.now(),
        )
        await groups.create(app, made)
        for copy in copies:
            copy.group_id = made.id
            await create_volume(app, caller, copy, request_id)
        await app.engine.begin(
            "group.create", made.subject, project_id=made.project_id, user_id=caller.user_id, request_id=request_id
        )
    return made


async def update_group(
    app: BlockStorage,
    caller: Caller,
    group: Group,
    changes: Mapping[str, object],
    add: Sequence[str],
    remove: Sequence[str],
) -> None:
    """The group is called so, and has these volumes more and those less; raises InvalidVolume."""
    async with app.db.transaction():
        if both := sorted({*add} & {*remove}):
            raise errors.InvalidVolume(why=f"Volumes {', '.join(both)} are both to be added and to be removed.")
        changes = {
            name: value for name, value in changes.items() if value is not None and value != getattr(group, name)
        }
        if not (changes or add or remove):
            raise errors.InvalidGroup(why=f"Cannot update group {group.id}: there is nothing to change.")
        if group.status != AVAILABLE:
            raise errors.InvalidGroup(why=f"Group {group.id} is {group.status}; only available ones are changed.")
        await _move_members(app, caller, group, add, remove)
        await groups.change(app, group, **changes)


async def _move_members(
    app: BlockStorage, caller: Caller, group: Group, add: Sequence[str], remove: Sequence[str]
) -> None:
    for id in remove:
        volume = await volumes.find(app, id)
        if volume is None or volume.group_id != group.id:
            raise errors.InvalidVolume(why=f"Cannot remove volume {id} from group {group.id}: it is not in it.")
        await volumes.change(app, volume, group_id=None)
    for id in add:
        volume = await volumes.find(app, id)
        if volume is None or not mine(volume.project_id, caller):
            raise errors.InvalidVolume(why=f"Cannot add volume {id} to group {group.id}: it cannot be found.")
        if volume.group_id is not None or volume.status not in {AVAILABLE, IN_USE}:
            raise errors.InvalidVolume(why=f"Cannot add volume {id} to group {group.id}: it is {volume.status}.")
        if volume.type_id not in group.volume_types:
            raise errors.InvalidVolume(why=f"Cannot add volume {id} to group {group.id}: its type is not the group's.")
        await volumes.change(app, volume, group_id=group.id)


async def delete_group(app: BlockStorage, caller: Caller, group: Group, request_id: str, *, with_volumes: bool) -> None:
    """The group is being deleted, with its volumes if that is said; raises InvalidGroup."""
    async with app.db.transaction():
        now = await groups.find(app, group.id)
        if now is None:
            return
        if now.status not in {AVAILABLE, ERROR}:
            raise errors.InvalidGroup(
                why=f"Group status must be available or error, but current status is: {now.status}"
            )
        if await group_snapshots.count(app, {"group_id": now.id}):
            raise errors.InvalidGroup(why=f"Group {now.id} still has group snapshots.")
        members = await volumes.list(app, {"group_id": now.id})
        if members and not with_volumes:
            raise errors.InvalidGroup(why="Group is not empty. delete-volumes flag must be set to delete it.")
        attached = await attachments_of(app, [each.id for each in members])
        for each in members:
            await check_thawed(app, each.host, each.backend)
            if attached[each.id] or await snapshot_count(app, each.id):
                raise errors.InvalidVolume(why=f"Volume {each.id} of the group is attached or has snapshots.")
            await volumes.change(app, each, status=DELETING)
            await app.engine.begin(
                "volume.delete",
                each.subject,
                project_id=each.project_id,
                user_id=caller.user_id,
                request_id=request_id,
                overtake="The group is being deleted.",
            )
        await groups.change(app, now, status=DELETING)
        await app.engine.begin(
            "group.delete", now.subject, project_id=now.project_id, user_id=caller.user_id, request_id=request_id
        )


async def group_snapshot_get(app: BlockStorage, caller: Caller, id: str) -> GroupSnapshot:
    """The group snapshot, if it is the caller's project's; raises GroupSnapshotNotFound."""
    found = await group_snapshots.find(app, id)
    if found is None or not mine(found.project_id, caller):
        raise errors.GroupSnapshotNotFound(snapshot=id)
    return found


async def _snapshots_of(app: BlockStorage, taken: GroupSnapshot) -> list[Snapshot]:
    return list(await snapshots.list(app, {"group_snapshot_id": taken.id}))


async def create_group_snapshot(
    app: BlockStorage, caller: Caller, group: Group, *, name: str | None, description: str | None, request_id: str
) -> GroupSnapshot:
    """Snapshots of all the group's volumes are being made; raises InvalidGroup if it has none."""
    async with app.db.transaction():
        members = await volumes.list(app, {"group_id": group.id})
        if not members:
            raise errors.InvalidGroup(why=f"Group {group.id} is empty: there is nothing to make a snapshot of.")
        made = GroupSnapshot(
            id=str(uuid.uuid4()),
            group_id=group.id,
            group_type_id=group.group_type_id,
            project_id=group.project_id,
            user_id=caller.user_id,
            name=name,
            description=description,
            created_at=app.clock.now(),
        )
        await group_snapshots.create(app, made)
        for each in members:
            await create_snapshot(
                app, caller, each, request_id, name=name, description=description, force=True, group_snapshot_id=made.id
            )
        await app.engine.begin(
            "group_snapshot.create",
            made.subject,
            project_id=made.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )
    return made


async def delete_group_snapshot(app: BlockStorage, caller: Caller, taken: GroupSnapshot, request_id: str) -> None:
    """The group snapshot is being deleted with its snapshots; raises InvalidGroupSnapshot."""
    async with app.db.transaction():
        now = await group_snapshots.find(app, taken.id)
        if now is None:
            return
        if now.status not in {AVAILABLE, ERROR}:
            raise errors.InvalidGroupSnapshot(why=f"GroupSnapshot status must be available or error, not {now.status}")
        if await groups.count(app, {"group_snapshot_id": now.id, "status": "creating"}):
            raise errors.InvalidGroupSnapshot(why=f"A group is being made of group snapshot {now.id}.")
        for each in await _snapshots_of(app, now):
            await begin_delete(app, each, caller.user_id, request_id)
        await group_snapshots.change(app, now, status=DELETING)
        await app.engine.begin(
            "group_snapshot.delete",
            now.subject,
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )

"""Volume types: who sees them, who may use them, and what is said of them."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.types import MULTIATTACH, VolumeType, said
from pileus.block_storage.store import types as store
from pileus.block_storage.store.types import types
from pileus.kit.auth import Caller
from pileus.kit.db import UniqueViolation

Edit = Callable[[dict[str, str]], dict[str, str]]


async def type_get(app: BlockStorage, caller: Caller, id: str) -> VolumeType:
    """The type, if the caller may use it; raises TypeNotFound."""
    found = await types.find(app, id)
    if found is None or not await _visible(app, caller, found):
        raise errors.TypeNotFound(type=id)
    return found


async def type_chosen(app: BlockStorage, caller: Caller, name_or_id: str | None) -> VolumeType | None:
    """The type a request names by id or name, else the project's default, else the cloud's; raises TypeNotFound."""
    if name_or_id is not None:
        found = await types.find(app, name_or_id) or await store.type_named(app, name_or_id)
        if found is None or not await _visible(app, caller, found):
            raise errors.TypeNotFound(type=name_or_id)
        return found
    return await default_type(app, caller.project_id)


async def default_type(app: BlockStorage, project_id: str | None) -> VolumeType | None:
    """The project's default type, else the cloud's."""
    own = await store.default_of(app, project_id) if project_id else None
    return await types.find(app, own) if own else await store.type_named(app, app.config.default_type)


async def _visible(app: BlockStorage, caller: Caller, type: VolumeType) -> bool:
    if type.is_public or caller.admin:
        return True
    return type.id in await store.access_of_project(app, caller.project_id or "")


async def type_list(
    app: BlockStorage,
    caller: Caller,
    *,
    public: bool | None,
    specs: Mapping[str, str],
    name: str | None = None,
    sort: Sequence[tuple[str, str]] = (),
) -> list[VolumeType]:
    """The types a caller sees, newest first unless sorted otherwise; `public` None: private ones too, as far as the caller may use them."""
    where: dict[str, object] = {} if public is None else {"is_public": public}
    found = await types.list(app, where | ({"name": name} if name else {}), sort)
    own = await store.access_of_project(app, caller.project_id or "")
    return [
        type
        for type in found
        if (type.is_public or caller.admin or type.id in own)
        and all(type.extra_specs.get(key) == value for key, value in specs.items())
    ]


async def create_type(
    app: BlockStorage, name: str, description: str | None, specs: Mapping[str, str], *, public: bool = True
) -> VolumeType:
    """There is a type; raises TypeExists or InvalidType."""
    _check_specs(specs)
    type = VolumeType(
        id=str(uuid.uuid4()),
        name=name,
        description=description,
        is_public=public,
        extra_specs=dict(specs),
        created_at=app.clock.now(),
    )
    try:
        await types.create(app, type)
    except UniqueViolation:
        raise errors.TypeExists(type=name) from None
    return type


def _check_specs(specs: Mapping[str, str]) -> None:
    if said(specs.get(MULTIATTACH)) and said(specs.get("cacheable")):
        raise errors.InvalidType(why="'multiattach' cannot be set together with 'cacheable'.")


async def ensure_default(app: BlockStorage) -> None:
    """The cloud's default type exists."""
    if await store.type_named(app, app.config.default_type) is None:
        await create_type(app, app.config.default_type, "Default Volume Type", {})


async def change_type(app: BlockStorage, type: VolumeType, changes: Mapping[str, Any]) -> VolumeType:
    """The type is called so; raises TypeExists."""
    try:
        return await types.change(app, type, **changes)
    except UniqueViolation:
        raise errors.TypeExists(type=changes.get("name")) from None


async def delete_type(app: BlockStorage, type: VolumeType) -> None:
    """There is no such type; raises TypeInUse or DefaultTypeInUse."""
    async with app.db.transaction():
        if type.name == app.config.default_type or any(type.id == own for _, own in await store.default_list(app)):
            raise errors.DefaultTypeInUse(type=type.id)
        if await store.type_in_use(app, type.id):
            raise errors.TypeInUse
        await types.delete(app, type.id)


async def edit_specs(app: BlockStorage, type: VolumeType, edit: Edit) -> VolumeType:
    """The type has the extra specs that `edit` makes of those it has; raises InvalidType if its volumes would become others."""
    async with app.db.transaction():
        now = await types.find(app, type.id)
        if now is None:
            raise errors.TypeNotFound(type=type.id)
        return await _set_specs(app, now, edit(now.extra_specs))


async def _set_specs(app: BlockStorage, type: VolumeType, specs: Mapping[str, str]) -> VolumeType:
    changed = type.extra_specs.get(MULTIATTACH) != specs.get(MULTIATTACH)
    if changed and await store.type_in_use(app, type.id):
        raise errors.InvalidType(why="Updating multiattach of a type that has volumes is not allowed.")
    _check_specs(specs)
    if said(specs.get(MULTIATTACH)) and type.encryption is not None:
        raise errors.InvalidType(why="Volumes that are encrypted cannot be multi-attach.")
    return await types.change(app, type, extra_specs=dict(specs))


async def grant_access(app: BlockStorage, type: VolumeType, project_id: str) -> None:
    """The project may use the type; raises AccessExists or InvalidType."""
    if type.is_public:
        raise errors.InvalidType(why=f"Type access modification is not applicable to public volume type {type.id}.")
    async with app.db.transaction():
        if project_id in await store.access_of_type(app, type.id):
            raise errors.AccessExists(type=type.id, project=project_id)
        await store.access_grant(app, type.id, project_id)


async def revoke_access(app: BlockStorage, type: VolumeType, project_id: str) -> None:
    """The project may not use the type; raises AccessNotFound or InvalidType."""
    if type.is_public:
        raise errors.InvalidType(why=f"Type access modification is not applicable to public volume type {type.id}.")
    if not await store.access_revoke(app, type.id, project_id):
        raise errors.AccessNotFound(type=type.id, project=project_id)


async def set_encryption(app: BlockStorage, type: VolumeType, encryption: Mapping[str, Any] | None) -> VolumeType:
    """Volumes of the type are encrypted so; raises EncryptionInUse."""
    async with app.db.transaction():
        if await store.type_in_use(app, type.id):
            raise errors.EncryptionInUse
        if encryption is not None and type.multiattach:
            raise errors.InvalidType(why="Volumes that are multi-attach cannot be encrypted.")
        return await types.change(app, type, encryption=dict(encryption) if encryption is not None else None)

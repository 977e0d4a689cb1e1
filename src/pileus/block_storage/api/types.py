"""Volume types, their extra specs, who may use them, and how their volumes are encrypted."""

import uuid
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.block_storage import errors
from pileus.block_storage.api.listing import metadata_filter, paged
from pileus.block_storage.api.service import (
    Flag,
    Name,
    RealName,
    Specs,
    admin,
    api,
    flag,
    member,
    moment,
    page_of,
    reader,
    volume_find,
)
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import types as commands
from pileus.block_storage.models.types import VISIBLE_SPECS, VolumeType
from pileus.block_storage.models.volumes import Volume
from pileus.block_storage.store import types as store
from pileus.kit.auth import Caller
from pileus.kit.http import Call, F, Page, Query, Wire

TYPES = "/types/{type_id}"
SPECS = TYPES + "/extra_specs"
ENCRYPTION = TYPES + "/encryption"
SENSITIVE = "volume_extension:types_extra_specs:read_sensitive"

api.declare(
    reader("volume_extension:access_types_extra_specs"),
    admin("volume_extension:access_types_qos_specs_id"),
    admin(SENSITIVE),
    member("volume_extension:volume_type_access"),
    admin("volume_extension:volume_type_encryption"),
)


class TypeChanged(Wire, kw_only=True):
    """A volume type as its changer is told."""

    id: str
    name: str
    is_public: bool
    description: str | None
    extra_specs: Annotated[dict[str, str], F(rule="volume_extension:access_types_extra_specs")]
    # What rules see: a type belongs to whoever looks at it.
    project_id: Annotated[str | None, F(on="")] = None

    def policy_target(self) -> dict[str, object]:
        """What policy rules see."""
        return {"project_id": self.project_id}


class TypeMade(TypeChanged, kw_only=True):
    """A volume type as its maker is told at once."""

    access: Annotated[bool, F("os-volume-type-access:is_public", rule="volume_extension:volume_type_access")]


class TypeView(TypeMade, kw_only=True):
    """A volume type."""

    qos_id: Annotated[str | None, F("qos_specs_id", rule="volume_extension:access_types_qos_specs_id")]


class TypeCreate(Wire, kw_only=True):
    """A type to make."""

    name: RealName
    description: Name | None = None
    extra_specs: Specs | None = None
    access: Annotated[Flag, F("os-volume-type-access:is_public")] = True


class TypeUpdate(Wire, kw_only=True):
    """What may be changed of a type."""

    name: RealName | UnsetType | None = UNSET
    description: Name | UnsetType | None = UNSET
    is_public: Flag | UnsetType = UNSET


class TypesQuery(Query):
    """Which types."""

    is_public: str | None = None
    name: str | None = None


async def type_find(app: BlockStorage, caller: Caller, type_id: str, **_more: str) -> VolumeType:
    """The type a path names; raises TypeNotFound."""
    return await commands.type_get(app, caller, type_id)


def view(call: Call[BlockStorage], type: VolumeType) -> TypeView:
    """A type as the caller sees it."""
    return TypeView(**_changed(call, type), access=type.is_public, qos_id=type.qos_id)


def _changed(call: Call[BlockStorage], type: VolumeType) -> dict[str, Any]:
    return {
        "id": type.id,
        "name": type.name,
        "is_public": type.is_public,
        "description": type.description,
        "extra_specs": seen_specs(call, type),
        "project_id": call.caller.project_id,
    }


def seen_specs(call: Call[BlockStorage], type: VolumeType) -> dict[str, str]:
    """What says where volumes lie is the operators' affair."""
    if call.allows(SENSITIVE):
        return type.extra_specs
    return {key: value for key, value in type.extra_specs.items() if key in VISIBLE_SPECS}


def type_told(call: Call[BlockStorage], type: VolumeType) -> dict[str, Any]:
    """A type inside of something else, as those are told who made an image of a volume."""
    return {
        "id": type.id,
        "name": type.name,
        "description": type.description,
        "is_public": type.is_public,
        "extra_specs": seen_specs(call, type),
        "qos_specs_id": type.qos_id if call.allows("volume_extension:access_types_qos_specs_id") else None,
        "created_at": moment(type.created_at),
        "updated_at": moment(type.updated_at),
        "deleted": False,
        "deleted_at": None,
    }


@api.get("/types", reader("volume_extension:type_get_all"), key="volume_types")
async def index(call: Call[BlockStorage], query: TypesQuery, page: Page) -> list[TypeView]:
    """List volume types."""
    public: bool | None = True
    if call.caller.admin:
        text = (query.is_public or "true").strip().lower()
        public = None if text == "none" else flag(text, "is_public")
    else:
        public = None
    asked = metadata_filter(call, "extra_specs") if call.version >= (3, 52) or call.caller.admin else {}
    specs = _pairs(call) if asked else {}
    found = await commands.type_list(call.app, call.caller, public=public, specs=specs, name=query.name, sort=page.sort)
    limit = page_of(call, page)

    async def read(marker: str | None, count: int) -> Sequence[VolumeType]:
        at = next((at + 1 for at, type in enumerate(found) if type.id == marker), 0 if marker is None else None)
        if at is None:
            raise errors.TypeNotFound(type=marker)
        return found[at:][:count]

    return [view(call, type) for type in await paged(call, read, limit, page.marker)]


def _pairs(call: Call[BlockStorage]) -> dict[str, str]:
    import ast

    found = ast.literal_eval(dict(call.query)["extra_specs"])
    return {str(key): str(value) for key, value in found.items()}


@api.post("/types", admin("volume_extension:type_create"), key="volume_type", status=200)
async def create(call: Call[BlockStorage], body: TypeCreate) -> TypeMade:
    """Make a volume type."""
    public = flag(body.access, "is_public")
    type = await commands.create_type(
        call.app, body.name.strip(), body.description, body.extra_specs or {}, public=public
    )
    return TypeMade(**_changed(call, type), access=type.is_public)


@api.get("/types/default", reader("volume_extension:type_get"), key="volume_type")
async def default(call: Call[BlockStorage]) -> TypeView:
    """Show the type volumes have of which nothing else is said."""
    type = await commands.default_type(call.app, call.caller.project_id)
    if type is None:
        raise errors.TypeNotFound(type="default")
    return view(call, type)


@api.get(TYPES, reader("volume_extension:type_get"), key="volume_type", find=type_find, late=True)
async def show(call: Call[BlockStorage], type: VolumeType) -> TypeView:
    """Show a volume type."""
    call.require("volume_extension:type_get")
    return view(call, type)


@api.put(TYPES, admin("volume_extension:type_update"), key="volume_type", find=type_find)
async def update(call: Call[BlockStorage], type: VolumeType, body: TypeUpdate) -> TypeChanged:
    """Change a volume type's name and the like."""
    changes: dict[str, Any] = body.given()
    if all(value is None for value in changes.values()):
        raise errors.BadRequest(why="Specify volume type name, description, is_public or a combination thereof.")
    if changes.get("name", "") is None:
        del changes["name"]
    if "is_public" in changes:
        changes["is_public"] = flag(changes["is_public"], "is_public")
    if "name" in changes:
        changes["name"] = changes["name"].strip()
    return TypeChanged(**_changed(call, await commands.change_type(call.app, type, changes)))


@api.delete(TYPES, admin("volume_extension:type_delete"), find=type_find, status=202)
async def delete(call: Call[BlockStorage], type: VolumeType) -> None:
    """Remove a volume type."""
    await commands.delete_type(call.app, type)


# Extra specs. Their keys are parts of paths here, so they have no spaces.

PlainSpecs = dict[
    Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_.:\-]{1,255}$(?!\n)")],
    Annotated[str, msgspec.Meta(max_length=255)],
]


@api.get(SPECS, reader("volume_extension:types_extra_specs:index"), find=type_find, late=True)
async def specs_index(call: Call[BlockStorage], type: VolumeType) -> dict[str, dict[str, str]]:
    """List a type's extra specs."""
    call.require("volume_extension:types_extra_specs:index")
    return {"extra_specs": seen_specs(call, type)}


@api.post(
    SPECS,
    admin("volume_extension:types_extra_specs:create"),
    key="extra_specs",
    reply_key="",
    find=type_find,
    status=200,
)
async def specs_create(call: Call[BlockStorage], type: VolumeType, body: PlainSpecs) -> dict[str, dict[str, str]]:
    """Add to a type's extra specs."""
    if not body:
        raise errors.BadRequest(why="No extra spec is given.")
    await commands.edit_specs(call.app, type, lambda specs: {**specs, **body})
    return {"extra_specs": body}


@api.get(SPECS + "/{key}", reader("volume_extension:types_extra_specs:show"), find=type_find, late=True)
async def spec_show(call: Call[BlockStorage], type: VolumeType, key: str) -> dict[str, str]:
    """Show one of a type's extra specs."""
    call.require("volume_extension:types_extra_specs:show")
    seen = seen_specs(call, type)
    if key not in seen:
        raise errors.SpecNotFound(type=type.id, key=key)
    return {key: seen[key]}


@api.put(SPECS + "/{key}", admin("volume_extension:types_extra_specs:update"), find=type_find, on="c")
async def spec_update(call: Call[BlockStorage], type: VolumeType, key: str, body: PlainSpecs) -> dict[str, str]:
    """Set one of a type's extra specs."""
    if list(body) != [key]:
        raise errors.BadRequest(why=f"Request body and URI mismatch: the body must hold '{key}' and nothing else.")
    await commands.edit_specs(call.app, type, lambda specs: {**specs, **body})
    return body


@api.delete(SPECS + "/{key}", admin("volume_extension:types_extra_specs:delete"), find=type_find, status=202)
async def spec_delete(call: Call[BlockStorage], type: VolumeType, key: str) -> None:
    """Remove one of a type's extra specs."""

    def dropped(specs: dict[str, str]) -> dict[str, str]:
        if key not in specs:
            raise errors.SpecNotFound(type=type.id, key=key)
        return {name: value for name, value in specs.items() if name != key}

    await commands.edit_specs(call.app, type, dropped)


# Who may use a private type.


class Access(Wire):
    """A project that may use a type."""

    volume_type_id: str
    project_id: str


class AccessChange(Wire):
    """A project to let, or to let no more."""

    project: RealName


@api.get(
    TYPES + "/os-volume-type-access",
    admin("volume_extension:volume_type_access:get_all_for_type"),
    key="volume_type_access",
    find=type_find,
)
async def access_index(call: Call[BlockStorage], type: VolumeType) -> list[Access]:
    """List the projects that may use a private type."""
    if type.is_public:
        raise errors.AccessOfPublic
    projects = await store.access_of_type(call.app, type.id)
    return [Access(volume_type_id=type.id, project_id=project) for project in projects]


@api.action(
    TYPES + "/action", "addProjectAccess", admin("volume_extension:volume_type_access:addProjectAccess"), find=type_find
)
async def access_add(call: Call[BlockStorage], type: VolumeType, body: AccessChange) -> None:
    """Let a project use a private type."""
    await commands.grant_access(call.app, type, body.project)


@api.action(
    TYPES + "/action",
    "removeProjectAccess",
    admin("volume_extension:volume_type_access:removeProjectAccess"),
    find=type_find,
)
async def access_remove(call: Call[BlockStorage], type: VolumeType, body: AccessChange) -> None:
    """Let a project use a private type no more."""
    await commands.revoke_access(call.app, type, body.project)


# Encryption.


PROVIDER = "provider"


class EncryptionBody(Wire, kw_only=True):
    """How a type's volumes are encrypted."""

    provider: RealName | UnsetType = UNSET
    control_location: Annotated[str, msgspec.Meta(pattern=r"^(front-end|back-end)$(?!\n)")] | UnsetType = UNSET
    cipher: Name | UnsetType | None = UNSET
    key_size: (
        Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
        | Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,8}$(?!\n)")]
        | UnsetType
        | None
    ) = UNSET

    def said(self) -> dict[str, Any]:
        """What is given, the size of keys as a number."""
        given: dict[str, Any] = self.given()
        return given | ({"key_size": int(given["key_size"])} if given.get("key_size") is not None else {})


@api.get(ENCRYPTION, admin("volume_extension:volume_type_encryption:get"), find=type_find)
async def encryption_index(call: Call[BlockStorage], type: VolumeType) -> dict[str, Any]:
    """Show how a type's volumes are encrypted."""
    return {} if type.encryption is None else {"volume_type_id": type.id, **_times(type)}


@api.get(ENCRYPTION + "/{key}", admin("volume_extension:volume_type_encryption:get"), find=type_find)
async def encryption_show(call: Call[BlockStorage], type: VolumeType, key: str) -> dict[str, Any]:
    """Show one thing about how a type's volumes are encrypted."""
    if type.encryption is None or key not in type.encryption:
        raise errors.EncryptionNotFound(type=type.id)
    return {key: type.encryption[key]}


def _times(type: VolumeType) -> dict[str, Any]:
    told = {"deleted": False, "created_at": None, "updated_at": None, "deleted_at": None}
    return {**told, **(type.encryption or {})}


@api.post(
    ENCRYPTION,
    admin("volume_extension:volume_type_encryption:create"),
    key="encryption",
    reply_key="",
    find=type_find,
    status=200,
)
async def encryption_create(call: Call[BlockStorage], type: VolumeType, body: EncryptionBody) -> dict[str, Any]:
    """Have a type's volumes encrypted."""
    if body.provider is UNSET or body.control_location is UNSET:
        raise errors.BadRequest(why="Invalid input: provider and control_location must be given.")
    if type.encryption is not None:
        raise errors.EncryptionExists(type=type.id)
    given = {"cipher": None, "key_size": None, "encryption_id": str(uuid.uuid4()), **body.said()}
    await commands.set_encryption(call.app, type, {**given, "created_at": moment(call.app.clock.now())})
    return {"encryption": {"volume_type_id": type.id, **given}}


@api.put(
    ENCRYPTION + "/{key}",
    admin("volume_extension:volume_type_encryption:update"),
    key="encryption",
    reply_key="",
    find=type_find,
)
async def encryption_update(
    call: Call[BlockStorage], type: VolumeType, key: str, body: EncryptionBody
) -> dict[str, Any]:
    """Have a type's volumes encrypted otherwise. A type has one encryption: older clients call it `provider`, not by its id."""
    if type.encryption is None or key not in {type.encryption["encryption_id"], PROVIDER}:
        raise errors.EncryptionNotFound(type=type.id)
    await commands.set_encryption(call.app, type, {**type.encryption, **body.said()})
    return {"encryption": body.said()}


@api.delete(ENCRYPTION + "/{key}", admin("volume_extension:volume_type_encryption:delete"), find=type_find, status=202)
async def encryption_delete(call: Call[BlockStorage], type: VolumeType, key: str) -> None:
    """Have a type's volumes encrypted no more."""
    if type.encryption is None or key not in {type.encryption["encryption_id"], PROVIDER}:
        raise errors.EncryptionNotFound(type=type.id)
    await commands.set_encryption(call.app, type, None)


READ_ENCRYPTION = reader("volume_extension:volume_encryption_metadata")


def _encryption_of(volume: Volume) -> dict[str, Any]:
    shown: dict[str, Any] = {"encryption_key_id": volume.key_id}
    if volume.encryption is None:
        return shown
    return shown | {
        name: volume.encryption.get(name) for name in ("control_location", "cipher", "key_size", "provider")
    }


@api.get("/volumes/{volume_id}/encryption", READ_ENCRYPTION, find=volume_find)
async def volume_encryption(call: Call[BlockStorage], volume: Volume) -> dict[str, Any]:
    """Show how a volume is encrypted."""
    return _encryption_of(volume)


@api.get("/volumes/{volume_id}/encryption/{key}", READ_ENCRYPTION, find=volume_find)
async def volume_encryption_item(call: Call[BlockStorage], volume: Volume, key: str) -> dict[str, Any]:
    """Show one thing about how a volume is encrypted."""
    found = _encryption_of(volume)
    if key not in found:
        raise errors.EncryptionUnknown(volume=volume.id, key=key)
    return {key: found[key]}

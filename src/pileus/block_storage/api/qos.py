"""QoS specs."""

from typing import Any

from pileus.block_storage import errors
from pileus.block_storage.api.listing import filters, paged
from pileus.block_storage.api.service import Specs, admin, api, flag, links, page_of
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import qos as commands
from pileus.block_storage.commands.types import type_get
from pileus.block_storage.models.types import QosSpecs
from pileus.block_storage.store.types import qos_specs, types_of_qos
from pileus.kit.auth import Caller
from pileus.kit.http import Call, Page, Query, Wire

THIS = "/qos-specs/{qos_id}"
UPDATE = admin("volume_extension:qos_specs_manage:update")
READ_ALL = admin("volume_extension:qos_specs_manage:get_all")


class QosView(Wire, kw_only=True):
    """QoS specs."""

    id: str
    name: str
    consumer: str
    specs: dict[str, str]


class ForceQuery(Query):
    """Whether to delete what is in use."""

    force: str | None = None


class TypeQuery(Query):
    """Which type."""

    vol_type_id: str | None = None


async def qos_find(app: BlockStorage, caller: Caller, qos_id: str) -> QosSpecs:
    """The QoS specs a path names; raises QosNotFound."""
    return await commands.qos_get(app, qos_id)


def _view(qos: QosSpecs) -> QosView:
    return QosView(id=qos.id, name=qos.name, consumer=qos.consumer, specs=qos.specs)


def _shown(call: Call[BlockStorage], qos: QosSpecs) -> dict[str, Any]:
    return {
        "qos_specs": {"id": qos.id, "name": qos.name, "consumer": qos.consumer, "specs": qos.specs},
        "links": [{"rel": link.rel, "href": link.href} for link in links(call, f"/qos-specs/{qos.id}")],
    }


@api.get("/qos-specs", READ_ALL, key="qos_specs")
async def index(call: Call[BlockStorage], page: Page) -> list[QosView]:
    """List QoS specs."""
    where = filters(call, {"id": "id", "name": "name", "consumer": "consumer"})
    limit = page_of(call, page)
    found = await paged(
        call,
        lambda marker, count: qos_specs.list(call.app, where, page.sort, marker=marker, limit=count),
        limit,
        page.marker,
    )
    return [_view(each) for each in found]


@api.post("/qos-specs", admin("volume_extension:qos_specs_manage:create"), key="qos_specs", reply_key="", status=200)
async def create(call: Call[BlockStorage], body: Specs) -> dict[str, Any]:
    """Make QoS specs."""
    name = body.pop("name", "").strip()
    consumer = body.pop("consumer", "back-end")
    if not name:
        raise errors.BadRequest(why="Please specify a name for QoS specs.")
    if consumer not in commands.CONSUMERS:
        raise errors.BadRequest(why=f"consumer must be one of {', '.join(commands.CONSUMERS)}, not '{consumer}'.")
    return _shown(call, await commands.create_qos(call.app, name, consumer, body))


@api.get(THIS, admin("volume_extension:qos_specs_manage:get"), find=qos_find)
async def show(call: Call[BlockStorage], qos: QosSpecs) -> dict[str, Any]:
    """Show QoS specs."""
    return _shown(call, qos)


@api.put(THIS, UPDATE, key="qos_specs", reply_key="", find=qos_find, on="c")
async def update(call: Call[BlockStorage], qos: QosSpecs, body: Specs) -> dict[str, Any]:
    """Add to QoS specs."""
    if "consumer" in body and body["consumer"] not in commands.CONSUMERS:
        raise errors.BadRequest(why=f"consumer must be one of {', '.join(commands.CONSUMERS)}.")
    await commands.set_qos(call.app, qos, body)
    return {"qos_specs": body}


class Keys(Wire):
    """What to say nothing of any more."""

    keys: list[str]


@api.put(THIS + "/delete_keys", UPDATE, find=qos_find, on="c", status=202)
async def delete_keys(call: Call[BlockStorage], qos: QosSpecs, body: Keys) -> None:
    """Drop some of QoS specs."""
    await commands.drop_keys(call.app, qos, body.keys)


@api.delete(THIS, admin("volume_extension:qos_specs_manage:delete"), find=qos_find, status=202)
async def delete(call: Call[BlockStorage], qos: QosSpecs, query: ForceQuery) -> None:
    """Remove QoS specs."""
    await commands.delete_qos(call.app, qos, force=flag(query.force or False, "force"))


@api.get(THIS + "/associations", READ_ALL, find=qos_find)
async def associations(call: Call[BlockStorage], qos: QosSpecs) -> dict[str, Any]:
    """List the volume types that have QoS specs."""
    found = await types_of_qos(call.app, qos.id)
    return {
        "qos_associations": [{"association_type": "volume_type", "name": type.name, "id": type.id} for type in found]
    }


def _type_id(query: TypeQuery) -> str:
    if not query.vol_type_id:
        raise errors.BadRequest(why="Volume Type id must not be None.")
    return query.vol_type_id


@api.get(THIS + "/associate", UPDATE, find=qos_find, status=202)
async def associate(call: Call[BlockStorage], qos: QosSpecs, query: TypeQuery) -> None:
    """Give a volume type QoS specs."""
    await commands.associate(call.app, qos, await type_get(call.app, call.caller, _type_id(query)))


@api.get(THIS + "/disassociate", UPDATE, find=qos_find, status=202)
async def disassociate(call: Call[BlockStorage], qos: QosSpecs, query: TypeQuery) -> None:
    """Take QoS specs from a volume type."""
    await commands.disassociate(call.app, qos, await type_get(call.app, call.caller, _type_id(query)))


@api.get(THIS + "/disassociate_all", UPDATE, find=qos_find, status=202)
async def disassociate_all(call: Call[BlockStorage], qos: QosSpecs) -> None:
    """Take QoS specs from all volume types."""
    await commands.disassociate(call.app, qos, None)

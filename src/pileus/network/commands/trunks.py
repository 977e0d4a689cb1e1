"""Trunks: what one can ask for."""

from collections.abc import Mapping, Sequence

import msgspec

from pileus.kit.db import UniqueViolation
from pileus.network.app import Network as App
from pileus.network.commands.quotas import make_room
from pileus.network.commands.standard import change, changed, standard, tell
from pileus.network.errors import BadRequest, InvalidInput, PortInUse, PortNotFound
from pileus.network.errors.trunks import (
    DuplicateSubPort,
    NoSegmentToInherit,
    ParentPortInUse,
    PortInUseAsSubPort,
    PortInUseAsTrunkParent,
    SubPortMtuGreaterThanTrunkPortMtu,
    SubPortNotFound,
    TrunkDisabled,
)
from pileus.network.models.resources import Port
from pileus.network.models.trunks import MAX_TAG, SUBPORT, AskedSubport, NewTrunk, Subport, Trunk
from pileus.network.store import networks as network_rows
from pileus.network.store import ports as port_rows
from pileus.network.store import trunks as rows


async def create_trunk(app: App, wanted: NewTrunk, *, any_port: bool) -> Trunk:
    """The port is a trunk, with these subports."""
    async with app.db.transaction():
        await make_room(app, "trunk", wanted.project_id)
        parent = await _port(app, wanted.port_id, wanted.project_id, any_port=any_port)
        await check_not_trunked(app, parent)
        if parent.trusted:
            raise ParentPortInUse(id=parent.id)
        found = Trunk(**standard(app, wanted), port_id=parent.id, admin_up=wanted.admin_up)
        await rows.SHELF.insert(app.db, found)
        await _add(app, found, parent, wanted.subports, any_port=any_port)
        await tell(app, "trunk.created", found)
        await changed(app)
        return await rows.trunk_get(app.db, found.id)


async def _port(app: App, port_id: str, project_id: str, *, any_port: bool) -> Port:
    found = await port_rows.port_find(app.db, port_id)
    if found is None or not (any_port or found.project_id == project_id):
        raise PortNotFound(id=port_id)
    return found


async def check_not_trunked(app: App, port: Port) -> None:
    """Raises unless the port is neither a trunk nor on one."""
    trunk = await app.db.one(rows.ON_PORT, port_id=port.id)
    if trunk is not None:
        raise PortInUseAsTrunkParent(id=port.id, trunk=trunk.id)
    subport = await app.db.one(rows.SUBPORT_GET, port_id=port.id)
    if subport is not None:
        raise PortInUseAsSubPort(id=port.id, trunk=subport.trunk_id)


async def _add(app: App, trunk: Trunk, parent: Port, asked: Sequence[AskedSubport], *, any_port: bool) -> None:
    limit = (await network_rows.network_get(app.db, parent.network_id)).mtu
    for each in asked:
        if each.port_id == parent.id:
            raise ParentPortInUse(id=parent.id)
        port = await _port(app, each.port_id, trunk.project_id, any_port=any_port)
        await check_not_trunked(app, port)
        if port.device_id or port.host:
            raise PortInUse(id=port.id, device=port.device_id or port.host)
        network = await network_rows.network_get(app.db, port.network_id)
        if network.mtu > limit:
            raise SubPortMtuGreaterThanTrunkPortMtu(mtu=network.mtu, id=port.id, limit=limit, parent=parent.id)
        tag = _tag(each, network.network_type, network.segmentation_id)
        try:
            await app.db.run(
                rows.SUBPORT_INSERT, port_id=port.id, trunk_id=trunk.id, segmentation_type="vlan", segmentation_id=tag
            )
        except UniqueViolation:
            raise DuplicateSubPort(kind="vlan", tag=tag, trunk=trunk.id) from None
        await change(app, port_rows.CHANGE, port, {"device_owner": SUBPORT, "device_id": trunk.id})


def _tag(asked: AskedSubport, network_type: str, segmentation_id: int | None) -> int:
    """The tag of a subport's frames; raises when there can be none such."""
    if asked.segmentation_type == "inherit":
        if network_type != "vlan" or segmentation_id is None:
            raise NoSegmentToInherit(id=asked.port_id, network_type=network_type)
        return segmentation_id
    if asked.segmentation_type != "vlan":
        raise InvalidInput(why=f"segmentation_type '{asked.segmentation_type}' is not vlan or inherit")
    if asked.segmentation_id is None or not 1 <= asked.segmentation_id <= MAX_TAG:
        raise InvalidInput(why=f"segmentation_id '{asked.segmentation_id}' is not between 1 and {MAX_TAG}")
    return asked.segmentation_id


async def update_trunk(app: App, trunk: Trunk, values: Mapping[str, object]) -> Trunk:
    """The trunk is as asked for."""
    async with app.db.transaction():
        trunk = await rows.trunk_get(app.db, trunk.id)
        await change(app, rows.SHELF.change, trunk, values)
        await tell(app, "trunk.updated", trunk)
        await changed(app)
        return await rows.trunk_get(app.db, trunk.id)


async def add_subports(app: App, trunk: Trunk, asked: Sequence[AskedSubport], *, any_port: bool) -> Trunk:
    """The trunk has these subports, too."""
    async with app.db.transaction():
        trunk = await _enabled(app, trunk)
        parent = await port_rows.port_get(app.db, trunk.port_id)
        await _add(app, trunk, parent, asked, any_port=any_port)
        return await update_trunk(app, trunk, {})


async def _enabled(app: App, trunk: Trunk) -> Trunk:
    found = await rows.trunk_get(app.db, trunk.id)
    if not found.admin_up:
        raise TrunkDisabled(id=found.id)
    return found


async def remove_subports(app: App, trunk: Trunk, port_ids: Sequence[str]) -> Trunk:
    """The trunk does not have these subports; they are ports like others."""
    async with app.db.transaction():
        trunk = await _enabled(app, trunk)
        there = {subport.port_id: subport for subport in trunk.subports}
        for port_id in port_ids:
            if port_id not in there:
                raise SubPortNotFound(trunk=trunk.id, port=port_id)
            await _release(app, there.pop(port_id))
        return await update_trunk(app, trunk, {})


async def _release(app: App, subport: Subport) -> None:
    await app.db.run(rows.SUBPORT_DELETE, of_port=subport.port_id)
    port = await port_rows.port_get(app.db, subport.port_id)
    await change(app, port_rows.CHANGE, port, {"device_owner": "", "device_id": ""})


async def delete_trunk(app: App, trunk: Trunk) -> None:
    """The trunk is gone; its ports are ports like others."""
    async with app.db.transaction():
        trunk = await rows.trunk_get(app.db, trunk.id)
        for subport in trunk.subports:
            await _release(app, subport)
        await app.db.run(rows.SHELF.delete, of_id=trunk.id)
        await tell(app, "trunk.deleted", trunk)
        await changed(app)


async def is_trunk(app: App, port: Port) -> bool:
    """Whether a trunk hangs on the port."""
    return await app.db.one(rows.ON_PORT, port_id=port.id) is not None


def asked_of(given: Mapping[str, object]) -> AskedSubport:
    """A subport to add, as it was asked for; raises BadRequest when it is half said."""
    found = msgspec.convert({"segmentation_type": "", "segmentation_id": None, **given}, AskedSubport)
    if not found.segmentation_type:
        raise BadRequest(
            resource="trunk", why=f"subport {found.port_id} needs a segmentation_type and a segmentation_id"
        )
    return found

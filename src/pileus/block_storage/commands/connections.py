"""How hosts get at volumes: by which of their back ends, at which path, with which limits."""

from collections.abc import Mapping
from typing import Any

from pileus.block_storage import errors
from pileus.block_storage.agent import disk_seen
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import links
from pileus.block_storage.drivers.interface import DiskSeen, Kind, Place, Room
from pileus.block_storage.flows.pools import rooms
from pileus.block_storage.models.volumes import Snapshot, Volume
from pileus.block_storage.store.types import qos_specs, types

FAKE, RBD = "fake", "rbd"
CALLED = {FAKE: FAKE, RBD: RBD}  # as connectors know what is no file


async def room_at(app: BlockStorage, volume: Volume, host: str) -> Room:
    """The back end of that host by which it gets at the volume; raises AttachmentConflict if there is none."""
    offers = {each.name: rooms(each) for each in await app.hosts.list()}
    own = next((room for room in offers.get(volume.host or "", ()) if room.name == volume.backend), None)
    if own is None:
        raise errors.AttachmentConflict(volume=volume.id, why="is in a back end that its host does not have now.")
    if volume.host == host or own.driver == FAKE:
        return own
    found = next((room for room in offers.get(host, ()) if room.shared is not None and room.shared == own.shared), None)
    if found is None:
        why = f"is kept by host {volume.host} alone: a server on host {host} cannot have it."
        raise errors.AttachmentConflict(volume=volume.id, why=why)
    return found


async def only_host(app: BlockStorage, volume: Volume | Snapshot) -> str | None:
    """The only host that gets at the volume or snapshot; None where several do."""
    offered = [(each.name, room) for each in await app.hosts.list() for room in rooms(each)]
    own = next((room for place, room in offered if (place, room.name) == (volume.host, volume.backend)), None)
    anywhere = own is not None and (own.driver == FAKE or own.shared is not None)
    return None if anywhere or await links.reaching(app, volume.host, volume.backend) else volume.host


async def reached_by(app: BlockStorage, volume: Volume) -> frozenset[str] | None:
    """The hosts that get at the volume now; None where every host does."""
    offered = [(each.name, room) for each in await app.hosts.list() for room in rooms(each)]
    own = next((room for place, room in offered if (place, room.name) == (volume.host, volume.backend)), None)
    if own is None or own.shared is None:
        linked = await links.reaching(app, volume.host, volume.backend)
        return None if own is not None and own.driver == FAKE else frozenset({volume.host or "", *linked})
    return frozenset(place for place, room in offered if room.shared == own.shared)


async def store_at(app: BlockStorage, volume: Volume) -> frozenset[str] | None:
    """The hosts that get at the volume's store themselves, and not by another host; None where every host does."""
    offered = [(each.name, room) for each in await app.hosts.list() for room in rooms(each)]
    own = next((room for place, room in offered if (place, room.name) == (volume.host, volume.backend)), None)
    if own is None or own.shared is None:
        return None if own is not None and own.driver == FAKE else frozenset({volume.host or ""})
    return frozenset(place for place, room in offered if room.shared == own.shared)


async def place_of_bytes(app: BlockStorage, volume: Volume) -> Place | None:
    """Where the volume's bytes are, and in which format, as its host says; None while they are nowhere."""
    report = await app.hosts.seen(volume.host, Kind.VOLUME, volume.id) if volume.host is not None else None
    seen = disk_seen(report.body) if report is not None else DiskSeen()
    return Place(seen.path, seen.format) if seen.path is not None else None


async def limits_said(app: BlockStorage, volume: Volume) -> Mapping[str, str] | None:
    """What the volume's type says of quality of service to whoever attaches it; None when that is nothing."""
    type = await types.find(app, volume.type_id)
    qos = await qos_specs.find(app, type.qos_id) if type is not None else None
    return qos.specs if qos is not None and qos.consumer != "back-end" else None


async def connection(app: BlockStorage, volume: Volume, *, mode: str | None = None) -> dict[str, Any]:
    """How a host gets at the volume, as this API says it."""
    place = await place_of_bytes(app, volume)
    path = place.path if place is not None else None
    room = await room_at(app, volume, volume.host or "")
    data: dict[str, Any] = {
        "device_path": path,
        "volume_id": volume.id,
        "access_mode": "ro" if volume.readonly or mode == "ro" else "rw",
        "encrypted": volume.encryption is not None,
        "qos_specs": await limits_said(app, volume),
        "format": place.format if place is not None else "raw",
        "host": volume.host,
    }
    if room.driver == RBD:
        # Where the cluster is, a host's own configuration says; its key is on the host too.
        data |= {"name": path, "auth_enabled": True, "auth_username": room.access.get("user")}
    return {"driver_volume_type": CALLED.get(room.driver, "local"), "data": data}

"""Volumes of a server that goes to another host while it runs: until it is there, each has a second attachment, at that host.

    connect: reserve the second, connect it there -> (the host has everything ready) complete -> (the server is there)
             the server's is the second -> (nothing is left where it was) release the first

Both hosts have the volume open meanwhile, and only the one whose server runs writes to it. A second attachment is named after the
operation, so whoever comes after a crash finds it, and takes it back where the server stays.
"""

import uuid

import msgspec

from pileus.compute.app import Compute
from pileus.compute.flows.boot import server_id
from pileus.compute.flows.disks import LOOK_AGAIN_S, owner_of, storage
from pileus.compute.flows.remake import GONE
from pileus.compute.models.servers import Server
from pileus.compute.models.volumes import Connected, ServerVolume
from pileus.compute.store.servers import server_find
from pileus.compute.store.volumes import volume_change, volume_list
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Outcome, Wait

FACT = "volumes"
_SECOND = uuid.UUID("0f0b8a52-5a4e-5c39-9f0c-5d0f3c1f7a11")


class Second(msgspec.Struct, frozen=True):
    """A volume's second attachment, how the other host gets at the volume by it, and what the first one is called."""

    attachment_id: str
    connected: Connected
    first: str


async def connect_there(app: Compute, op: Operation) -> Outcome:
    """It is known how the host that `to` of the facts names gets at each of the server's volumes."""
    server, there = await server_find(app, server_id(op)), op.facts["to"]
    if server is None:
        return GONE
    found: dict[str, Second] = {}
    for volume in await volume_list(app, server.id):
        second = _second(op, volume)
        await storage(app).reserve(second, volume.volume_id, server.id, owner_of(server), moves=True)
        why = await storage(app).ways.prepare(second, there)
        if why is not None:
            return Wait(LOOK_AGAIN_S, why)
        async with app.db.transaction():
            how = await storage(app).connect(second, there, device=volume.device)
        found[volume.id] = Second(second, Connected(host=there, how=how), volume.attachment_id)
    return Done({FACT: msgspec.to_builtins(found)})


async def disconnect_there(app: Compute, op: Operation) -> Outcome:
    """The server's volumes have the attachments they had, and no others."""
    for volume in await volume_list(app, server_id(op)):
        if volume.attachment_id != _second(op, volume):
            await storage(app).release(_second(op, volume))
    return Done()


async def volumes_there(app: Compute, op: Operation, server: Server) -> list[ServerVolume]:
    """The server's volumes as they are to be where it goes."""
    seconds = _seconds(op)
    return [_as_second(volume, seconds.get(volume.id)) for volume in await volume_list(app, server.id)]


async def complete_there(app: Compute, op: Operation) -> None:
    """Block storage knows that the other host has the volumes, too."""
    for second in _seconds(op).values():
        await storage(app).complete(second.attachment_id)


async def take_along(app: Compute, op: Operation, server: Server) -> None:
    """The server has its volumes where it goes."""
    for volume in await volumes_there(app, op, server):
        await volume_change(app, volume, attachment_id=volume.attachment_id, connected=volume.connected)


async def release_here(app: Compute, op: Operation) -> None:
    """The host the server left has none of its volumes."""
    for second in _seconds(op).values():
        await storage(app).release(second.first)


def _second(op: Operation, volume: ServerVolume) -> str:
    return str(uuid.uuid5(_SECOND, f"{op.id} {volume.id}"))


def _seconds(op: Operation) -> dict[str, Second]:
    # Operations begun by an earlier release are of servers without volumes.
    return msgspec.convert(op.facts.get(FACT, {}), dict[str, Second])


def _as_second(volume: ServerVolume, second: Second | None) -> ServerVolume:
    if second is None:
        return volume
    return msgspec.structs.replace(volume, attachment_id=second.attachment_id, connected=second.connected)

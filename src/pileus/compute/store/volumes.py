"""Queries of the volumes that servers have."""

from collections.abc import Sequence

import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.models.volumes import ServerVolume
from pileus.compute.tables import SERVER_VOLUMES
from pileus.kit.db import command, query

_all = sa.select(*SERVER_VOLUMES.c)
OF_SERVERS = query(
    _all.where(SERVER_VOLUMES.c.server_id.in_(sa.bindparam("ids", expanding=True))).order_by(
        SERVER_VOLUMES.c.server_id, SERVER_VOLUMES.c.place
    ),
    ServerVolume,
)
FIND = query(
    _all.where(
        SERVER_VOLUMES.c.server_id == sa.bindparam("server_id"), SERVER_VOLUMES.c.volume_id == sa.bindparam("volume_id")
    ),
    ServerVolume,
)
HOLDERS = query(
    _all.where(SERVER_VOLUMES.c.volume_id == sa.bindparam("volume_id")).order_by(SERVER_VOLUMES.c.id).limit(2),
    ServerVolume,
)
CREATE = command(sa.insert(SERVER_VOLUMES))
CHANGE = command(sa.update(SERVER_VOLUMES).where(SERVER_VOLUMES.c.id == sa.bindparam("of_id")))
DELETE = command(sa.delete(SERVER_VOLUMES).where(SERVER_VOLUMES.c.id == sa.bindparam("of_id")))


async def volume_list(app: Compute, server_id: str) -> list[ServerVolume]:
    """The server's volumes, in the order of its disks."""
    return await app.db.all(OF_SERVERS, ids=[server_id])


async def volume_list_many(app: Compute, server_ids: Sequence[str]) -> dict[str, list[ServerVolume]]:
    """The volumes of each of the servers."""
    found: dict[str, list[ServerVolume]] = {id: [] for id in server_ids}
    for volume in await app.db.all(OF_SERVERS, ids=list(server_ids)) if server_ids else []:
        found[volume.server_id].append(volume)
    return found


async def volume_find(app: Compute, server_id: str, volume_id: str) -> ServerVolume | None:
    """The volume as the server has it, if it has."""
    return await app.db.one(FIND, server_id=server_id, volume_id=volume_id)


async def volume_holders(app: Compute, volume_id: str) -> list[ServerVolume]:
    """The volume as servers have it: two of them when more than one has."""
    return await app.db.all(HOLDERS, volume_id=volume_id)


async def volume_create(app: Compute, volume: ServerVolume) -> None:
    """The server is to have the volume."""
    await app.db.run(CREATE, **{name: getattr(volume, name) for name in volume.__struct_fields__})


async def volume_change(app: Compute, volume: ServerVolume, **changes: object) -> None:
    """The row has these values now."""
    await app.db.run(CHANGE, of_id=volume.id, **changes)


async def volume_delete(app: Compute, id: str) -> None:
    """The server has that disk no more."""
    await app.db.run(DELETE, of_id=id)

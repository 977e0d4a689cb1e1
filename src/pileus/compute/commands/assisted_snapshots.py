"""Snapshots of attached volumes that a back end leaves to compute: asked for, and told to have failed.

Nova takes such a snapshot by putting a new file over the volume's, for back ends outside it whose volumes are nothing
but files. Here each back end takes its snapshots itself, of attached volumes too, so none asks; whoever does is heard as
Nova hears him, and learns from the snapshot's status that its host took none.
"""

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.servers import check_state
from pileus.compute.models.servers import ServerState
from pileus.compute.store.servers import server_find
from pileus.compute.store.volumes import volume_holders

MAKE, REMOVE = "volume_snapshot_create", "volume_snapshot_delete"


async def refuse_snapshot(app: Compute, volume_id: str, snapshot_id: str, action: str) -> None:
    """Whoever waits for the snapshot knows that it failed; raises BadRequest, NotReady, WrongState or NotOffered."""
    if app.volumes is None:
        raise errors.NotOffered(what="volumes")
    async with app.db.transaction():
        holders = await volume_holders(app, volume_id)
        if not holders:
            raise errors.BadRequest(why=f"No volume Block Device Mapping with id {volume_id}.")
        if len(holders) > 1:
            raise errors.BadRequest(why=f"Block Device Mapping {volume_id} is a multi-attach volume and is not valid "
                                    "for this operation.")  # fmt: skip
        server = await server_find(app, holders[0].server_id)
        if server is None:
            raise errors.BadRequest(why=f"No volume Block Device Mapping with id {volume_id}.")
        if server.host is None:
            raise errors.NotReady(server=server.id, why="it is on no host.")
        check_state(server, action, frozenset(ServerState))
        await app.volumes.lists.snapshot_failed(snapshot_id, volume_id)

"""Shelve and unshelve: a server's disk becomes an image, and the server takes no room until it is made of that image again.

    power off -> copy -> upload -> remove from host -> release room        unshelve: as a boot, then forget the image

Its ports stay its own. What was upstream's intermediate state, shelved but still on its host, lasts no longer than the operation.
"""

from pileus.compute.app import Compute
from pileus.compute.flows import document
from pileus.compute.flows.boot import (
    DEADLINE_S,
    HOSTS_TRIED,
    bind_ports,
    claim_room,
    ready_volumes,
    release_room,
    remove_from_host,
    server_id,
    start_on_host,
    take_volumes_back,
)
from pileus.compute.flows.disks import disconnect_all
from pileus.compute.flows.remake import power_off
from pileus.compute.flows.snapshot import copy_steps, ended
from pileus.compute.flows.turn import as_before
from pileus.compute.models.servers import PowerWanted, ServerState
from pileus.compute.store.servers import server_change, server_find
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Flow, Outcome, Step

OFFLOADING = "shelving_offloading"


async def offload(app: Compute, op: Operation) -> Outcome:
    """Nothing of the server is left on its host."""
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return Done()
    return await document.gone(app, server.id, server.host) or Done()


async def settle(app: Compute, op: Operation) -> Outcome:
    """The row says that the server is shelved."""
    server = await server_find(app, server_id(op))
    if server is None:
        return Done()

    async def shelved() -> None:
        await server_change(
            app,
            server,
            host=None,
            phase=ServerState.SHELVED_OFFLOADED,
            power_wanted=PowerWanted.OFF,
            shelf=op.args.get("image_id"),
        )
        await disconnect_all(app, server.id)
        await app.events.tell("server.shelved", server.subject, server.project_id, op.request_id, user_id=op.user_id)

    return Done(also=shelved)


async def forget_image(app: Compute, op: Operation) -> Outcome:
    """The image that held the server's disk is gone; the server's host keeps what the disk lies above."""
    server = await server_find(app, server_id(op))
    if server is not None and server.shelf is not None:
        await app.images.remove(server.shelf)
    return Done()


SHELVE = Flow(
    "server.shelve",
    (
        Step("power off", power_off, as_before, shows="shelving", deadline_s=DEADLINE_S),
        *copy_steps("shelving", "shelving_image_pending_upload", "shelving_image_uploading"),
        Step("remove from host", offload, shows=OFFLOADING, final=True),
        Step("release room", release_room, shows=OFFLOADING, final=True),
        Step("settle", settle, shows=OFFLOADING, final=True),
    ),
    ended=ended,
)
# What boots from a volume has nothing of its own to make an image of.
SHELVE_VOLUME = Flow(
    "server.shelve_volume",
    (
        Step("power off", power_off, as_before, shows="shelving", deadline_s=DEADLINE_S),
        Step("remove from host", offload, shows=OFFLOADING, final=True),
        Step("release room", release_room, shows=OFFLOADING, final=True),
        Step("settle", settle, shows=OFFLOADING, final=True),
    ),
)
UNSHELVE = Flow(
    "server.unshelve",
    (
        Step("claim room", claim_room, undo=release_room, shows="unshelving"),
        Step("bind ports", bind_ports, shows="unshelving"),
        Step("ready volumes", ready_volumes, take_volumes_back, shows="unshelving", deadline_s=DEADLINE_S),
        Step("start on host", start_on_host, undo=remove_from_host, shows="spawning", deadline_s=DEADLINE_S),
        Step("forget the image", forget_image, shows="spawning", final=True),
    ),
    tries=HOSTS_TRIED,
)

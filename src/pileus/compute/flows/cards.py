"""Network cards of a server that exists: one more, or one less, whether it runs or not.

    attach: bind the port -> the host plugs it           failed: the port is released
    detach: the host unplugs it -> release the port      failed: the server keeps it

A guest that runs has to let go of a card; one that does not keeps it, and the port with it.
"""

from pileus.compute.app import Compute
from pileus.compute.flows import document
from pileus.compute.flows.boot import server_id
from pileus.compute.flows.remake import GONE
from pileus.compute.flows.turn import as_before
from pileus.compute.models.servers import Server
from pileus.compute.store.servers import server_change, server_find
from pileus.kit.flow.operation import Operation
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait

ATTACH_S = 300.0
DETACH_S = 160.0  # as long as upstream asks a guest: eight times for 20 s


async def plug(app: Compute, op: Operation) -> Outcome:
    """The server has a card at the port."""
    server = await server_find(app, server_id(op))
    if server is None or server.host is None:
        return GONE
    await app.networks.bind_ports(server.id, server.host)
    await document.want_as_settled(app, server)
    seen = await document.answer(app, server, server.host)
    if isinstance(seen, (Wait, Fail)):
        return seen
    if op.args["port_id"] not in seen.cards:
        return Wait(document.LOOK_AGAIN_S, f"host {server.host} plugs the port")
    return Done({"host": server.host}, also=lambda: _told(app, op, server, "server.interface_attached"))


async def release(app: Compute, op: Operation) -> Outcome:
    """The server does not have the port, and its host knows."""
    server = await server_find(app, server_id(op))
    await app.networks.release_port(server_id(op), op.args["port_id"])
    if server is None:
        return Done()
    await document.want_as_settled(app, server)
    return Done(also=lambda: _forgotten(app, op, server))


async def _forgotten(app: Compute, op: Operation, server: Server) -> None:
    tags = {port: tag for port, tag in server.card_tags.items() if port != op.args["port_id"]}
    if tags != server.card_tags:
        await server_change(app, server, card_tags=tags)
    if op.flow == DETACH.name:
        await _told(app, op, server, "server.interface_detached")


async def unplug(app: Compute, op: Operation) -> Outcome:
    """The server has no card at the port."""
    server, port_id = await server_find(app, server_id(op)), op.args["port_id"]
    if server is None or server.host is None:
        return Done()
    await document.want(app, server, server.host, document.settled_power(server), without_port=port_id)
    seen = await document.answer(app, server, server.host)
    if isinstance(seen, (Wait, Fail)):
        return seen
    if port_id in (*seen.cards, *seen.cards_changing):
        return Wait(document.LOOK_AGAIN_S, "waiting for the guest to let go of the card")
    return Done({"host": server.host})


async def _told(app: Compute, op: Operation, server: Server, event: str) -> None:
    payload = {"port": op.args["port_id"]}
    await app.events.tell(event, server.subject, server.project_id, op.request_id, payload, user_id=op.user_id)


ATTACH = Flow("server.attach_interface", (Step("plug", plug, undo=release, deadline_s=ATTACH_S),))
DETACH = Flow(
    "server.detach_interface",
    (
        Step("unplug", unplug, undo=as_before, deadline_s=DETACH_S),
        Step("release the port", release, final=True),
    ),
)

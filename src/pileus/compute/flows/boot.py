"""Boot: a new server gets a place and starts there.

    claim room -> bind ports -> ready volumes -> start on host

A host that cannot start it gives its room back, and another one is tried, three in all. When nothing helps the server is
in error, with every host's reason in its fault; nothing of it is left on any host, and no room is claimed.
"""

from pileus.compute.app import Compute
from pileus.compute.drivers.interface import Power, PowerSeen
from pileus.compute.flows import document
from pileus.compute.flows.choice import choose_host
from pileus.compute.flows.disks import complete_all, forget_all, make_ready, take_back
from pileus.compute.flows.trust import distrusted
from pileus.compute.models.servers import Fault, PowerWanted, Server
from pileus.compute.store.servers import server_change, server_find
from pileus.compute.store.volumes import volume_list
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait
from pileus.ports.placement import Claim

HOSTS_TRIED = 3
DEADLINE_S = 1800.0  # an image may have to be fetched first
LAUNCHED = {"server.boot": "server.created", "server.unshelve": "server.unshelved"}  # what is told then
NO_HOST = "No valid host was found."


async def claim_room(app: Compute, op: Operation) -> Outcome:
    """There is room for the server on the host the facts name."""
    server = await server_find(app, server_id(op))
    if server is None:
        return Done()
    # What a shelved server had on its disk the cloud itself kept; nobody signed it.
    if op.flow == "server.boot" and (why := await distrusted(app, server)) is not None:
        return Fail(why)
    found = await choose_host(app, server, op.facts.get("failed", {}))
    return Done({"host": found.host}) if isinstance(found, Claim) else Fail(f"{NO_HOST} {found}")


async def release_room(app: Compute, op: Operation) -> Outcome:
    """The server has no room."""
    await app.placement.release(server_id(op))
    return Done()


async def bind_ports(app: Compute, op: Operation) -> Outcome:
    """The server's ports are on its host."""
    await app.networks.bind_ports(server_id(op), op.facts["host"])
    return Done()


async def ready_volumes(app: Compute, op: Operation) -> Outcome:
    """The server's volumes are there, and its host gets at them."""
    server, host = await server_find(app, server_id(op)), op.facts["host"]
    if server is None:
        return Done()
    made = await make_ready(app, server, host)
    return _elsewhere(op, host, made.why) if isinstance(made, Fail) else made


async def take_volumes_back(app: Compute, op: Operation) -> Outcome:
    """No host gets at the server's volumes, and those that were made for it are gone."""
    return await take_back(app, server_id(op)) or Done()


async def start_on_host(app: Compute, op: Operation) -> Outcome:
    """The server runs on its host."""
    host = op.facts["host"]
    server = await server_find(app, server_id(op))
    if server is None:
        return Done()
    await document.want(app, server, host, Power.ON)
    seen = await document.answer(app, server, host)
    if isinstance(seen, Fail):
        return _elsewhere(op, host, seen.why)
    if isinstance(seen, Wait):
        return seen
    if seen.power is PowerSeen.CRASHED:
        return _elsewhere(op, host, seen.exit_reason or "it ended at once")
    if seen.power is PowerSeen.ON or (seen.power is PowerSeen.OFF and seen.exit_reason is not None):
        return Done(also=lambda: _launched(app, op, server, host))
    return Wait(document.LOOK_AGAIN_S, seen.doing or f"host {host} starts the server")


def _elsewhere(op: Operation, host: str, why: str) -> Fail:
    failed = {**op.facts.get("failed", {}), host: f"could not start the server: {why}"}
    told = "; ".join(f"{name}: {reason}" for name, reason in sorted(failed.items()))
    return Fail(f"{NO_HOST} {told}", again_from="claim room", facts={"failed": failed})


async def _launched(app: Compute, op: Operation, server: Server, host: str) -> None:
    now = app.clock.now()
    await complete_all(app, server.id)
    await server_change(app, server, host=host, launched_at=now, phase=None, power_wanted=PowerWanted.ON)
    await app.events.tell(
        LAUNCHED[op.flow], server.subject, server.project_id, payload={"host": host}, user_id=server.user_id
    )


async def remove_from_host(app: Compute, op: Operation) -> Outcome:
    """Nothing of the server is left on the host it could not be started on."""
    return await document.gone(app, server_id(op), op.facts["host"]) or Done()


async def ended(app: Compute, op: Operation) -> None:
    """A server that could not be started is in error, unless that is because it shall be deleted."""
    if op.state is State.DONE or op.turn_back is not None:
        return
    server = await server_find(app, server_id(op))
    if server is not None:
        await forget_all(app, await volume_list(app, server.id))
        fault = Fault(500, op.failure or "It could not be started.", app.clock.now())
        await server_change(app, server, broken=True, fault=fault)
        await app.events.tell("server.failed", server.subject, server.project_id, op.request_id, {"why": fault.message})


def server_id(op: Operation) -> str:
    """The server an operation is about."""
    return op.subject.partition(":")[2]


BOOT = Flow(
    "server.boot",
    (
        Step("claim room", claim_room, undo=release_room, shows="scheduling"),
        Step("bind ports", bind_ports, shows="networking"),
        Step("ready volumes", ready_volumes, take_volumes_back, shows="block_device_mapping", deadline_s=DEADLINE_S),
        Step("start on host", start_on_host, undo=remove_from_host, shows="spawning", deadline_s=DEADLINE_S),
    ),
    tries=HOSTS_TRIED,
    ended=ended,
)

"""What a host is told about a server, derived from the server's row and its ports; and what to make of the answer."""

from collections.abc import Sequence

from pileus.compute.agent import KIND, seen_of, wanted_body
from pileus.compute.app import Compute
from pileus.compute.drivers import interface
from pileus.compute.drivers.interface import Power, Seen
from pileus.compute.models.servers import PowerWanted, Server
from pileus.kit.flow.step import Fail, Wait
from pileus.ports.network import PortFacts

LOOK_AGAIN_S = 30.0  # a report wakes the operation; this is for a wake-up that was lost


def document(server: Server, ports: Sequence[PortFacts], power: Power) -> interface.Wanted:
    """All a host is told about a server."""
    image = None
    if server.image is not None:
        kind = interface.ImageFormat(server.image.disk_format)
        image = interface.Image(server.image.id, kind, server.image.size, server.image.checksum or "")
    size = server.flavor
    extra = (interface.Disk(size.ephemeral),) if size.ephemeral else ()
    return interface.Wanted(
        id=server.id,
        name=server.name,
        project_id=server.project_id,
        vcpus=size.vcpus,
        ram_mib=size.ram,
        root=interface.Disk(size.disk, image),
        disks=extra,
        nics=tuple(interface.Nic(port.id, port.mac, port.mtu) for port in ports),
        power=power,
        restarts=interface.Restarts(server.restarts.start, server.restarts.soft, server.restarts.hard),
    )


async def want(app: Compute, server: Server, host: str, power: Power) -> None:
    """The host is told of the server as it is now, with that power."""
    ports = (await app.networks.ports_of([server.id])).get(server.id, ())
    await app.hosts.want(host, KIND, server.id, wanted_body(document(server, ports, power)))


async def want_as_settled(app: Compute, server: Server) -> None:
    """The host is told what the row says."""
    if server.host is not None:
        power = Power.ON if server.power_wanted is PowerWanted.ON else Power.OFF
        await want(app, server, server.host, power)


async def answer(app: Compute, server: Server, host: str) -> Seen | Wait | Fail:
    """What the host sees of the server since it read the newest document."""
    report = await app.hosts.answer(host, KIND, server.id)
    if report is None:
        return Wait(LOOK_AGAIN_S, f"waiting for host {host}")
    if report.failure is not None:
        return Fail(report.failure)
    seen = seen_of(report.body)
    return Fail(seen.failure) if seen.failure is not None else seen


async def gone(app: Compute, server_id: str, host: str) -> Wait | None:
    """Nothing of the server is left on the host, or the host has to be waited for.

    A host that is not heard is not waited for: it reads that the server is unwanted as soon as it returns.
    """
    await app.hosts.unwant(host, KIND, server_id)
    if await app.hosts.settled_gone(host, KIND, server_id) or not await app.hosts.is_up(host):
        return None
    return Wait(LOOK_AGAIN_S, f"waiting for host {host} to remove the server")

"""What a host is told about a server, derived from the server's row and its ports; and what to make of the answer."""

import base64
from collections.abc import Sequence

import msgspec

from pileus.compute.agent import KIND, seen_of, wanted_body
from pileus.compute.app import Compute
from pileus.compute.drivers import interface
from pileus.compute.drivers.interface import Power, Seen, Stillness
from pileus.compute.models.guests import Guest, drive_files
from pileus.compute.models.own_disks import MIB_OF_GIB, OwnDisk
from pileus.compute.models.servers import BootImage, PowerWanted, Server, ServerState
from pileus.compute.models.volumes import ServerVolume
from pileus.compute.store.passwords import password_find
from pileus.compute.store.volumes import volume_list
from pileus.kit.flow.step import Fail, Wait
from pileus.ports.block_storage import Connection
from pileus.ports.network import PortFacts

AT_REST = {
    ServerState.PAUSED: Power.PAUSED,
    ServerState.SUSPENDED: Power.SUSPENDED,
    ServerState.SHELVED: Power.OFF,
}
STANDING = {
    Power.OFF: (interface.PowerSeen.OFF, interface.PowerSeen.CRASHED),
    Power.PAUSED: (interface.PowerSeen.PAUSED,),
    Power.SUSPENDED: (interface.PowerSeen.SUSPENDED,),
}
LOOK_AGAIN_S = 30.0  # a report wakes the operation; this is for a wake-up that was lost


def document(
    server: Server, ports: Sequence[PortFacts], power: Power, volumes: Sequence[interface.Volume] = ()
) -> interface.Wanted:
    """All a host is told about a server."""
    image = _image(server.image)
    if server.shelf is not None:
        image = interface.Image(
            server.shelf, interface.ImageFormat.QCOW2, drive=image.drive if image is not None else None
        )
    size = server.flavor
    extra = tuple(_own(disk) for disk in server.further_disks)
    return interface.Wanted(
        id=server.id,
        name=server.name,
        project_id=server.project_id,
        vcpus=size.vcpus,
        ram_mib=size.ram,
        root=None if server.volume_backed else interface.Disk(size.disk, image),
        disks=extra,
        nics=tuple(interface.Nic(port.id, port.mac, port.mtu) for port in ports),
        power=power,
        restarts=restarts_of(server),
        disk_generation=server.disk_generation,
        rescue=_image(server.rescue),
        checkpoint=_checkpoint(server),
        agent=any(image is not None and image.has_agent for image in (server.image, server.rescue)),
        volumes=tuple(volumes),
    )


def _own(disk: OwnDisk) -> interface.Disk:
    whole, rest = divmod(disk.mib or 0, MIB_OF_GIB)
    return interface.Disk(whole, size_mib=rest, format=disk.format)


def _volumes(rows: Sequence[ServerVolume], host: str, without: str | None) -> list[interface.Volume]:
    """The volumes the host is told of: those that were connected there, and what is to take the place of one."""
    found = []
    for row in rows:
        if row.connected is None or row.connected.host != host or row.volume_id == without:
            continue
        found.append(_volume(row.connected.how, row.place, row.edition))
        after = row.successor
        if after is not None and after.connected is not None and after.connected.host == host:
            found.append(_volume(after.connected.how, row.place, after.edition, instead_of=row.key))
    return found


def _volume(how: Connection, place: int, edition: int, *, instead_of: str | None = None) -> interface.Volume:
    limits = {name: value for name, value in msgspec.structs.asdict(how.limits).items() if value is not None}
    encrypted = how.format == "luks"
    return interface.Volume(
        id=how.volume_id,
        kind=how.kind,
        path=how.path,
        place=place,
        format=interface.ImageFormat(how.within if encrypted else how.format),
        size_gib=how.size_gib,
        readonly=how.readonly,
        shared=how.shared,
        limits=limits,
        encrypted=encrypted,
        cluster=interface.Cluster(how.cluster.conf, how.cluster.user) if how.cluster is not None else None,
        edition=edition,
        instead_of=instead_of,
    )


def _checkpoint(server: Server) -> str | None:
    # A server that moved has its former disks where it was.
    return server.resized.operation if server.resized is not None and server.resized.host is None else None


def restarts_of(server: Server) -> interface.Restarts:
    """How often each kind of restart was asked for, as hosts are told."""
    asked = server.restarts
    return interface.Restarts(asked.start, asked.soft, asked.hard, asked.nmi)


def _image(image: BootImage | None) -> interface.Image | None:
    if image is None:
        return None
    # An earlier release's host knows but the first of the two, and refuses what is stored as something else.
    over = interface.ImageFormat.QCOW2 if image.disk_format == "qcow2" else interface.ImageFormat.RAW
    return interface.Image(
        image.id,
        over,
        image.size,
        image.checksum or "",
        stored=interface.Stored(image.disk_format) if image.is_made_raw or image.is_disc else None,
        drive=interface.Bus(image.drive) if image.is_disc else None,
    )


async def want(
    app: Compute,
    server: Server,
    host: str,
    power: Power,
    *,
    snapshot: str | None = None,
    rollback: str | None = None,
    without_port: str | None = None,
    without_volume: str | None = None,
    origin: str | None = None,
    arrival: interface.Arrival | None = None,
    departure: interface.Departure | None = None,
    volumes: Sequence[ServerVolume] | None = None,
) -> interface.Wanted:
    """The host is told of the server as it is now, with that power; returns what it is told. `volumes` for those of its row."""
    ports = (await app.networks.ports_of([server.id])).get(server.id, ())
    ports = tuple(port for port in ports if port.id != without_port)
    rows = volumes if volumes is not None else await volume_list(app, server.id)
    drive = await _drive(app, server, ports, rows) if server.config_drive else None
    wanted = document(server, ports, power, _volumes(rows, host, without_volume))
    system = await system_of(app, server, rows)
    stillness = _stillness(system) if power is Power.ON else Stillness.NONE
    has_agent = wanted.agent or (system is not None and system.has_agent)
    wanted = msgspec.structs.replace(wanted, stillness=stillness, agent=has_agent)
    wanted = msgspec.structs.replace(wanted, snapshot=snapshot, rollback=rollback, origin=origin, config_drive=drive)
    wanted = msgspec.structs.replace(wanted, arrival=arrival, departure=departure)
    if drive is not None:
        given = await password_find(app, server.id, rescue=server.rescue is not None)
        wanted = msgspec.structs.replace(wanted, password=given.reference if given is not None else None)
    await app.hosts.want(host, KIND, server.id, wanted_body(wanted))
    return wanted


async def system_of(app: Compute, server: Server, rows: Sequence[ServerVolume]) -> BootImage | None:
    """What is known of the system the server boots: its image, or the one that was the volume it boots from."""
    root = next((row for row in rows if row.place == 0), None)
    if not server.volume_backed or root is None or app.volumes is None:
        return server.image
    facts = await app.volumes.look(root.volume_id)
    if facts is None:
        return None
    properties = dict(facts.image_properties)
    return BootImage(id=properties.get("image_id", ""), name=None, disk_format="raw", size=0, properties=properties)


def _stillness(image: BootImage | None) -> Stillness:
    if image is None:
        return Stillness.NONE
    return Stillness.MUST if image.must_be_still else Stillness.TRY if image.has_agent else Stillness.NONE


async def _drive(
    app: Compute, server: Server, ports: Sequence[PortFacts], volumes: Sequence[ServerVolume]
) -> dict[str, str]:
    """What the server's config drive holds, by path."""
    guest = Guest(server, ports, app.config.zone, volumes, await app.networks.subnets_of(ports))
    return {path: base64.b64encode(content).decode() for path, content in drive_files(guest).items()}


def settled_power(server: Server) -> Power:
    """The power a server has while nobody is at work on it."""
    if server.phase in AT_REST:
        return AT_REST[server.phase]
    return Power.ON if server.power_wanted is PowerWanted.ON else Power.OFF


async def want_volume_sizes(app: Compute, server: Server) -> None:
    """The host is told how large the server's volumes are, and nothing else than before: somebody else is at work on the server."""
    told = await app.hosts.wanted(server.host, KIND, server.id) if server.host is not None else None
    if server.host is None or told is None or told.gone:
        return
    rows = [row for row in await volume_list(app, server.id) if row.connected is not None]
    sizes = {row.volume_id: row.connected.how.size_gib for row in rows if row.connected is not None}
    volumes = [each | {"size_gib": sizes.get(each["id"], each["size_gib"])} for each in told.body.get("volumes", ())]
    await app.hosts.want(server.host, KIND, server.id, {**told.body, "volumes": volumes})


async def want_as_settled(app: Compute, server: Server) -> None:
    """The host is told what the row says."""
    if server.host is not None:
        await want(app, server, server.host, settled_power(server))


def reached(seen: Seen, wanted: interface.Wanted) -> bool:
    """Whether the server has the shape and the power that are wanted; whether its guest still runs is its own affair."""
    if seen.shape != wanted.shape:
        return False
    if wanted.power is Power.ON:
        return seen.power is interface.PowerSeen.ON or seen.exit_reason is not None
    return seen.power in STANDING[wanted.power]


async def answer(app: Compute, server: Server, host: str) -> Seen | Wait | Fail:
    """What the host sees of the server since it read the newest document."""
    report = await app.hosts.answer(host, KIND, server.id)
    if report is None:
        return Wait(LOOK_AGAIN_S, f"waiting for host {host}")
    if report.failure is not None:
        return Fail(report.failure)
    seen = seen_of(report.body)
    return Fail(seen.failure) if seen.failure is not None else seen


async def bring(
    app: Compute, server: Server, power: Power, *, rollback: str | None = None, origin: str | None = None
) -> Seen | Wait | Fail:
    """The server's host has made it what it is here, with that power; or has to be waited for, or cannot."""
    if server.host is None:
        return Fail("The server is on no host.")
    wanted = await want(app, server, server.host, power, rollback=rollback, origin=origin)
    seen = await answer(app, server, server.host)
    if isinstance(seen, (Wait, Fail)):
        return seen
    if power is Power.ON and seen.power is interface.PowerSeen.CRASHED and seen.shape == wanted.shape:
        return Fail(seen.exit_reason or "The server ended at once.")
    return seen if reached(seen, wanted) else Wait(LOOK_AGAIN_S, seen.doing or f"waiting for host {server.host}")


async def gone(app: Compute, server_id: str, host: str) -> Wait | None:
    """Nothing of the server is left on the host, or the host has to be waited for.

    A host that is not heard is not waited for: it reads that the server is unwanted as soon as it returns.
    """
    await app.hosts.unwant(host, KIND, server_id)
    if await app.hosts.settled_gone(host, KIND, server_id) or not await app.hosts.is_up(host):
        return None
    report = await app.hosts.seen(host, KIND, server_id)
    said = f": {report.failure}" if report is not None and report.failure is not None else ""
    return Wait(LOOK_AGAIN_S, f"waiting for host {host} to remove the server{said}")


async def clean(app: Compute, server_id: str, host: str) -> Wait | None:
    """The host has nothing of the server from an earlier stay that it was told to forget, or has to be waited for."""
    wish = await app.hosts.wanted(host, KIND, server_id)
    if wish is None or not wish.gone:
        return None
    return Wait(LOOK_AGAIN_S, f"waiting for host {host} to remove what it had of the server")

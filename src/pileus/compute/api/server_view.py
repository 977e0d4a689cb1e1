"""Servers as they are shown."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute.api.flavor_views import EmbeddedFlavor, FlavorLink, embedded
from pileus.compute.api.service import Link, bookmark, fine_moment, links, moment
from pileus.compute.app import Compute
from pileus.compute.models.servers import WITH_PROGRESS, Server, ServerState, host_id
from pileus.compute.models.volumes import ServerVolume
from pileus.compute.store.hosts import HostSetting, setting_list
from pileus.compute.store.volumes import volume_list_many
from pileus.kit.hosts.registry import UP_FOR
from pileus.kit.http import Call, F, Wire
from pileus.ports.network import PortFacts

ATTRIBUTES = "os_compute_api:os-extended-server-attributes"
HOST_STATUS = "os_compute_api:servers:show:host_status"


class AddressView(Wire, kw_only=True):
    """An address of a server."""

    version: int
    addr: str
    kind: Annotated[str, F("OS-EXT-IPS:type")]
    mac: Annotated[str, F("OS-EXT-IPS-MAC:mac_addr")]


class ImageLink(Wire):
    """The image a server was made from."""

    id: str
    links: list[Link]
    properties: Annotated[dict[str, str], F(since="2.98")]


class FaultView(Wire):
    """Why a server is in error."""

    code: int
    created: str
    message: str


class GroupName(Wire):
    """A security group of a server."""

    name: str


class VolumeBrief(Wire):
    """A volume of a server."""

    id: str
    delete_on_termination: Annotated[bool, F(since="2.3")]


class ServerBrief(Wire):
    """A server in a list."""

    id: str
    name: str
    links: list[Link]


class ServerView(Wire, kw_only=True):
    """A server as a caller sees it; some of it only admins see."""

    id: str
    name: str
    status: str
    project_id: Annotated[str, F("tenant_id")]
    user_id: str
    metadata: dict[str, str]
    host_id: Annotated[str, F("hostId")]
    image: ImageLink | str
    flavor_link: Annotated[FlavorLink, F("flavor", until="2.46")]
    flavor: Annotated[EmbeddedFlavor, F("flavor", since="2.47")]
    created: str
    updated: str
    addresses: dict[str, list[AddressView]]
    access_ipv4: Annotated[str, F("accessIPv4")]
    access_ipv6: Annotated[str, F("accessIPv6")]
    links: list[Link]
    disk_config: Annotated[str, F("OS-DCF:diskConfig")]
    progress: int | UnsetType = UNSET
    fault: FaultView | UnsetType = UNSET
    zone: Annotated[str, F("OS-EXT-AZ:availability_zone")]
    pinned_zone: Annotated[str | None, F("pinned_availability_zone", since="2.96")]
    config_drive: str = ""
    key_name: str | None
    launched_at: Annotated[str | None, F("OS-SRV-USG:launched_at")]
    terminated_at: Annotated[str | None, F("OS-SRV-USG:terminated_at")]
    task: Annotated[str | None, F("OS-EXT-STS:task_state")]
    state: Annotated[str, F("OS-EXT-STS:vm_state")]
    power: Annotated[int, F("OS-EXT-STS:power_state")]
    security_groups: list[GroupName] | UnsetType = UNSET
    volumes: Annotated[list[VolumeBrief], F("os-extended-volumes:volumes_attached")]
    host: Annotated[str | None, F("OS-EXT-SRV-ATTR:host", rule=ATTRIBUTES)]
    hypervisor_hostname: Annotated[str | None, F("OS-EXT-SRV-ATTR:hypervisor_hostname", rule=ATTRIBUTES)]
    instance_name: Annotated[str, F("OS-EXT-SRV-ATTR:instance_name", rule=ATTRIBUTES)]
    reservation_id: Annotated[str, F("OS-EXT-SRV-ATTR:reservation_id", since="2.3", rule=ATTRIBUTES)]
    launch_index: Annotated[int, F("OS-EXT-SRV-ATTR:launch_index", since="2.3", rule=ATTRIBUTES)]
    kernel_id: Annotated[str, F("OS-EXT-SRV-ATTR:kernel_id", since="2.3", rule=ATTRIBUTES)] = ""
    ramdisk_id: Annotated[str, F("OS-EXT-SRV-ATTR:ramdisk_id", since="2.3", rule=ATTRIBUTES)] = ""
    root_device: Annotated[str, F("OS-EXT-SRV-ATTR:root_device_name", since="2.3", rule=ATTRIBUTES)]
    user_data: Annotated[str | None, F("OS-EXT-SRV-ATTR:user_data", since="2.3", rule=ATTRIBUTES)]
    hostname_seen: Annotated[str, F("OS-EXT-SRV-ATTR:hostname", since="2.3", until="2.89", rule=ATTRIBUTES)]
    hostname: Annotated[str, F("OS-EXT-SRV-ATTR:hostname", since="2.90")]
    locked: Annotated[bool, F(since="2.9")]
    locked_reason: Annotated[str | None, F(since="2.73")]
    host_status: Annotated[str, F(since="2.16", rule=HOST_STATUS)]
    description: Annotated[str | None, F(since="2.19")]
    tags: Annotated[list[str], F(since="2.26")]
    certificates: Annotated[list[str] | None, F("trusted_image_certificates", since="2.63")] = None
    server_groups: Annotated[list[str] | UnsetType, F(since="2.71")] = UNSET
    hints: Annotated[dict[str, Any], F("scheduler_hints", since="2.100")]


FULL = "2.75"


class BareAddress(Wire):
    """An address of a server, without where it comes from."""

    version: int
    addr: str


class ServerChanged(ServerView, kw_only=True):
    """What changed a server answers with: less than what shows it, until both became the same."""

    bare_addresses: Annotated[dict[str, list[BareAddress]], F("addresses", until="2.74")]
    addresses: Annotated[dict[str, list[AddressView]], F(since=FULL)]
    zone: Annotated[str, F("OS-EXT-AZ:availability_zone", since=FULL)]
    config_drive: Annotated[str, F(since=FULL)] = ""
    key_name: Annotated[str | None, F(since=FULL)]
    launched_at: Annotated[str | None, F("OS-SRV-USG:launched_at", since=FULL)]
    terminated_at: Annotated[str | None, F("OS-SRV-USG:terminated_at", since=FULL)]
    task: Annotated[str | None, F("OS-EXT-STS:task_state", since=FULL)]
    state: Annotated[str, F("OS-EXT-STS:vm_state", since=FULL)]
    power: Annotated[int, F("OS-EXT-STS:power_state", since=FULL)]
    security_groups: Annotated[list[GroupName] | UnsetType, F(since=FULL)] = UNSET
    volumes: Annotated[list[VolumeBrief], F("os-extended-volumes:volumes_attached", since=FULL)]
    host: Annotated[str | None, F("OS-EXT-SRV-ATTR:host", since=FULL, rule=ATTRIBUTES)]
    hypervisor_hostname: Annotated[str | None, F("OS-EXT-SRV-ATTR:hypervisor_hostname", since=FULL, rule=ATTRIBUTES)]
    instance_name: Annotated[str, F("OS-EXT-SRV-ATTR:instance_name", since=FULL, rule=ATTRIBUTES)]
    reservation_id: Annotated[str, F("OS-EXT-SRV-ATTR:reservation_id", since=FULL, rule=ATTRIBUTES)]
    launch_index: Annotated[int, F("OS-EXT-SRV-ATTR:launch_index", since=FULL, rule=ATTRIBUTES)]
    kernel_id: Annotated[str, F("OS-EXT-SRV-ATTR:kernel_id", since=FULL, rule=ATTRIBUTES)] = ""
    ramdisk_id: Annotated[str, F("OS-EXT-SRV-ATTR:ramdisk_id", since=FULL, rule=ATTRIBUTES)] = ""
    root_device: Annotated[str, F("OS-EXT-SRV-ATTR:root_device_name", since=FULL, rule=ATTRIBUTES)]
    user_data: Annotated[str | None, F("OS-EXT-SRV-ATTR:user_data", since=FULL, rule=ATTRIBUTES)]
    hostname_seen: Annotated[str, F("OS-EXT-SRV-ATTR:hostname", since=FULL, until="2.89", rule=ATTRIBUTES)]
    host_status: Annotated[str, F(since=FULL, rule=HOST_STATUS)]


class Shown(msgspec.Struct, frozen=True):
    """What the view of a server needs besides the server."""

    call: Call[Compute]
    ports: Mapping[str, Sequence[PortFacts]]
    volumes: Mapping[str, Sequence[ServerVolume]]
    now: dt.datetime
    in_full: bool
    said: Mapping[str, HostSetting] = {}  # of hosts, to those who are told how they fare


async def views(call: Call[Compute], servers: Sequence[Server], *, in_full: bool = False) -> list[ServerView]:
    """The servers as the caller sees them; `in_full` adds what only a single server shows."""
    ids = [server.id for server in servers]
    ports, volumes = await call.app.networks.ports_of(ids), await volume_list_many(call.app, ids)
    said = await setting_list(call.app) if call.version >= (2, 16) and call.allows(HOST_STATUS) else {}
    shown = Shown(call, ports, volumes, call.app.clock.now(), in_full, said)
    return [_view(shown, server) for server in servers]


async def view(call: Call[Compute], server: Server) -> ServerView:
    """The server as the caller sees it."""
    return (await views(call, [server], in_full=True))[0]


async def changed(call: Call[Compute], server: Server) -> ServerChanged:
    """The server as a request that changed it answers."""
    full = await view(call, server)
    bare = {
        network: [BareAddress(version=each.version, addr=each.addr) for each in those]
        for network, those in full.addresses.items()
    }
    values = {name: getattr(full, name) for name in full.__struct_fields__}
    return ServerChanged(**values, bare_addresses=bare)


def _view(shown: Shown, server: Server) -> ServerView:
    call, status = shown.call, server.status
    ports = shown.ports.get(server.id, ())
    return ServerView(
        id=server.id,
        name=server.name,
        status=status,
        project_id=server.project_id,
        user_id=server.user_id,
        metadata=server.metadata,
        image=_image(call, server),
        flavor_link=FlavorLink(id=server.flavor.id, links=bookmark(call, f"/flavors/{server.flavor.id}")),
        flavor=embedded(server.flavor),
        addresses=addresses(ports),
        access_ipv4=server.access_ipv4 or "",
        access_ipv6=server.access_ipv6 or "",
        links=links(call, f"/servers/{server.id}"),
        disk_config=server.disk_config,
        config_drive="True" if server.config_drive else "",
        progress=(100 if status == "ACTIVE" else 0) if status in WITH_PROGRESS else UNSET,
        fault=_fault(server),
        pinned_zone=server.zone_wanted,
        key_name=server.key.name if server.key else None,
        task=server.task,
        state=server.state,
        power=server.power,
        security_groups=_groups(ports),
        volumes=[
            VolumeBrief(id=each.volume_id, delete_on_termination=each.delete_on_termination)
            for each in shown.volumes.get(server.id, ())
        ],
        locked=server.locked,
        locked_reason=server.locked_reason,
        description=server.description,
        tags=list(server.tags),
        server_groups=_server_groups(server) if shown.in_full else UNSET,
        hints=server.hints,
        **_moments(server),
        **_place(shown, server),
    )


def _moments(server: Server) -> dict[str, Any]:
    return {
        "created": moment(server.created_at),
        "updated": moment(server.updated_at),
        "launched_at": fine_moment(server.launched_at),
        "terminated_at": fine_moment(server.deleted_at),
    }


def _place(shown: Shown, server: Server) -> dict[str, Any]:
    """Where it is, and what only admins see of it."""
    return {
        "host_id": host_id(server.project_id, server.host),
        "zone": server.host_zone or shown.call.app.config.zone if server.host else server.zone_wanted or "",
        "host": server.host,
        "hypervisor_hostname": server.host,
        "host_status": _host_status(server, shown),
        "instance_name": f"instance-{server.id[:8]}",
        "reservation_id": server.reservation_id,
        "launch_index": server.launch_index,
        "root_device": f"/dev/{server.root_device}",
        "user_data": server.user_data,
        "hostname_seen": server.hostname,
        "hostname": server.hostname,
        "certificates": None if server.certificates is None else list(server.certificates),
    }


def addresses(ports: Sequence[PortFacts]) -> dict[str, list[AddressView]]:
    """A server's addresses by the names of its networks."""
    found: dict[str, list[AddressView]] = {}
    for port in ports:
        for address in port.addresses:
            shown = AddressView(version=address.version, addr=address.address, kind=address.kind, mac=port.mac)
            found.setdefault(port.network_name, []).append(shown)
    return found


def _image(call: Call[Compute], server: Server) -> ImageLink | str:
    if server.image is None:
        return ""
    where = bookmark(call, f"/images/{server.image.id}")
    return ImageLink(id=server.image.id, links=where, properties=server.image.properties)


def _groups(ports: Sequence[PortFacts]) -> list[GroupName] | UnsetType:
    # A group once for each port, as clients know it from elsewhere.
    return [GroupName(name=name) for port in ports for name in port.security_groups] or UNSET


def _server_groups(server: Server) -> list[str]:
    return [server.group_id] if server.group_id else []


def _fault(server: Server) -> FaultView | UnsetType:
    fault = server.fault
    if fault is None or server.state not in {ServerState.ERROR, ServerState.DELETED}:
        return UNSET
    return FaultView(code=fault.code, created=moment(fault.created), message=fault.message)


def _host_status(server: Server, shown: Shown) -> str:
    if server.host is None:
        return ""
    said = shown.said.get(server.host)
    if said is not None and said.forced_down:
        return "DOWN"
    if said is not None and said.disabled:
        return "MAINTENANCE"
    return "UP" if server.heard is not None and shown.now - server.heard <= UP_FOR else "UNKNOWN"

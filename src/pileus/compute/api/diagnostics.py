"""Diagnostics: what is known of a server that runs. Counters are None where the host does not count."""

from typing import Annotated

from pileus.compute import errors
from pileus.compute.api.service import admin, api, server_find
from pileus.compute.app import Compute
from pileus.compute.models.servers import Server, ServerState
from pileus.kit.http import Call, F, Wire

STATES = {1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}
# The API knows QEMU by the name of the library other clouds steer it with.
DRIVER = "libvirt"
STANDARD = "2.48"


class CpuDetails(Wire, kw_only=True):
    """A processor."""

    id: int
    time: int | None = None
    utilisation: int | None = None


class NicDetails(Wire, kw_only=True):
    """A network card."""

    mac: Annotated[str, F("mac_address")]
    rx_octets: int | None = None
    rx_errors: int | None = None
    rx_drop: int | None = None
    rx_packets: int | None = None
    rx_rate: int | None = None
    tx_octets: int | None = None
    tx_errors: int | None = None
    tx_drop: int | None = None
    tx_packets: int | None = None
    tx_rate: int | None = None


class DiskDetails(Wire, kw_only=True):
    """A disk."""

    read_bytes: int | None = None
    read_requests: int | None = None
    write_bytes: int | None = None
    write_requests: int | None = None
    errors_count: int | None = None


class MemoryDetails(Wire, kw_only=True):
    """The memory, in MiB."""

    maximum: int
    used: int | None = None


class Diagnostics(Wire, kw_only=True):
    """A server as its host knows it; before 2.48 this was whatever the host had to say."""

    memory: Annotated[int, F(until="2.47")]
    state: Annotated[str, F(since=STANDARD)]
    driver: Annotated[str, F(since=STANDARD)] = DRIVER
    hypervisor: Annotated[str, F(since=STANDARD)] = "qemu"
    hypervisor_os: Annotated[str, F(since=STANDARD)] = "linux"
    uptime: Annotated[int | None, F(since=STANDARD)] = None
    config_drive: Annotated[bool, F(since=STANDARD)] = False
    num_cpus: Annotated[int, F(since=STANDARD)]
    num_nics: Annotated[int, F(since=STANDARD)]
    num_disks: Annotated[int, F(since=STANDARD)]
    cpus: Annotated[list[CpuDetails], F("cpu_details", since=STANDARD)]
    nics: Annotated[list[NicDetails], F("nic_details", since=STANDARD)]
    disks: Annotated[list[DiskDetails], F("disk_details", since=STANDARD)]
    ram: Annotated[MemoryDetails, F("memory_details", since=STANDARD)]


@api.get("/servers/{server_id}/diagnostics", admin("os-server-diagnostics"), find=server_find)
async def show(call: Call[Compute], server: Server) -> Diagnostics:
    """Show what is known of a server that runs."""
    if server.host is None or server.state is not ServerState.ACTIVE:
        raise errors.WrongState(action="get_diagnostics", server=server.id, what="vm_state", state=server.state)
    ports = (await call.app.networks.ports_of([server.id])).get(server.id, ())
    size = server.flavor
    disks = 1 + len(server.further_disks)
    return Diagnostics(
        memory=size.ram * 1024,
        state=STATES.get(server.power, "pending"),
        num_cpus=size.vcpus,
        num_nics=len(ports),
        num_disks=disks,
        cpus=[CpuDetails(id=index) for index in range(size.vcpus)],
        nics=[NicDetails(mac=port.mac) for port in ports],
        disks=[DiskDetails() for _ in range(disks)],
        ram=MemoryDetails(maximum=size.ram),
    )

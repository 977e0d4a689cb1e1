"""Networks: ports against servers, the fabric against the tables, and what is in this machine's kernel against both."""

from collections.abc import Sequence
from functools import partial

import msgspec
import sqlalchemy as sa

from pileus.kit.db import query, scalar
from pileus.main.doctor import Finding, Known, Patient, servers_known
from pileus.network.drivers.ovn.plug import device
from pileus.network.flows.topology import topology
from pileus.network.port import Ports
from pileus.network.store.world import world
from pileus.network.tables import networks, ports

AGAIN = "Run `pileus doctor --fix`."
SHOWN = 5


class PortRow(msgspec.Struct, frozen=True):
    """What the doctor has to know of a port that is a server's."""

    id: str
    server_id: str
    host: str


SERVER_PORTS = query(
    sa.select(ports.c.id, ports.c.server_id, ports.c.host).where(ports.c.server_id.is_not(None)).order_by(ports.c.id),
    PortRow,
)
NETWORK_IDS = scalar(sa.select(networks.c.id), str)


async def port_rows(patient: Patient) -> Sequence[Finding]:
    """Ports of servers are ports of servers that exist, and on their hosts."""
    if patient.network is None or patient.compute is None:
        return []
    rows = await patient.db.all(SERVER_PORTS)
    servers = await servers_known(patient)
    port = Ports(patient.network)
    found, told = [], set()
    for row in rows:
        server = servers.get(row.server_id)
        if server is None and row.server_id not in told:
            told.add(row.server_id)
            found.append(
                Finding(
                    "port.without_server", row.id, f"is the port of server {row.server_id}, which is not there",
                    "The server was removed outside of the compute service.", AGAIN,
                    partial(port.release_ports, row.server_id),
                )
            )  # fmt: skip
        elif server is not None and server.settled and server.host is not None and row.host != server.host:
            found.append(_elsewhere(port, row, server))
    return found


def _elsewhere(port: Ports, row: PortRow, server: Known) -> Finding:
    where = f"on host {row.host}" if row.host else "on no host"
    return Finding(
        "port.elsewhere", row.id, f"is {where}, its server {server.id} on {server.host}",
        "Its binding was changed while the server stayed.", AGAIN,
        lambda: port.bind_ports(server.id, server.host or ""),
    )  # fmt: skip


async def fabric(patient: Patient) -> Sequence[Finding]:
    """The fabric holds what the tables say."""
    network = patient.network
    if network is None:
        return []
    everything = await world(network.db)
    hosts = sorted(host.name for host in await patient.hosts.list())
    wanted = topology(everything, hosts, network.config.dns_domain)
    changes = await network.fabric.diff(wanted)
    if changes.none:
        return []
    shown = "; ".join(changes.lines[:SHOWN]) + ("; …" if len(changes.lines) > SHOWN else "")
    return [
        Finding(
            "network.differs", "fabric", f"is not as the tables say; to do: {shown}",
            "Somebody changed it, or the cloud has not caught up; while it runs it does so within a minute.", AGAIN,
            lambda: network.fabric.sync(wanted), frozenset(changes.lines),
        )
    ]  # fmt: skip


async def kernel(patient: Patient) -> Sequence[Finding]:
    """TAPs and metadata namespaces of this machine belong to something."""
    machine = patient.machine
    if patient.network is None or "networks" not in machine.shows:
        return []
    found = [
        Finding(
            "daemon.dead", name, "does not run", "It ended or was killed.",
            "`pileus up` starts it; while the cloud runs it does so by itself.",
        )
        for name in machine.dead_daemons()
    ]  # fmt: skip
    # The machine first, as above.
    taps, doors = await machine.taps(), machine.doors()
    rows = await patient.db.all(SERVER_PORTS)
    owned = {device(row.id): row for row in rows}
    found += [
        Finding(
            "tap.stranger", name, "belongs to no port", "Its port was removed while this host was away.", AGAIN,
            partial(machine.remove_tap, name),
        )
        for name in sorted(taps - owned.keys())
    ]  # fmt: skip
    running = {id for id, _ in machine.qemus()}
    found += [
        Finding(
            "tap.missing", name, f"of port {row.id} is not there, but its server {row.server_id} runs here",
            "The link was deleted by hand.",
            "While the cloud runs, the host plugs it again within seconds; else `openstack server reboot --hard` does.",
        )
        for name, row in sorted(owned.items()) if row.server_id in running and name not in taps
    ]  # fmt: skip
    known = set(await patient.db.all(NETWORK_IDS))
    found += [
        Finding(
            "door.stranger", id, "has a namespace for metadata, but there is no such network",
            "The network was deleted while this host was away.", AGAIN, partial(machine.remove_door, id),
        )
        for id in sorted(doors - known)
    ]  # fmt: skip
    return found


CHECKS = (port_rows, fabric, kernel)

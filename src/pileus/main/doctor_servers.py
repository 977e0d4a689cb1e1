"""Servers: rows against wishes, wishes against reports, and all of them against what runs on this machine."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

from pileus.compute.agent import KIND
from pileus.compute.flows.document import want_as_settled
from pileus.compute.models.servers import Fault
from pileus.compute.store.servers import server_change, server_find
from pileus.main.doctor import Finding, Known, Patient, servers_deleted, servers_known

AGAIN = "Run `pileus doctor --fix`."
START = "Start it with `openstack server start`, or stop it with `openstack server stop`."


async def wishes(patient: Patient) -> Sequence[Finding]:
    """Hosts are told of exactly the servers that are on them, and of their power."""
    # The wishes first: for a server that is made between the two readings, its host would be told to remove it.
    there = {(wish.host, wish.id): wish for wish in await patient.hosts.wanted_list(kind=KIND) if not wish.gone}
    servers = await servers_known(patient)
    found = []
    for server in servers.values():
        if not server.settled or server.host is None:
            continue
        wish = there.get((server.host, server.id))
        if wish is None:
            found.append(_untold(patient, server, "its host was never told of it, or told to forget it"))
        elif wish.body.get("power") != ("on" if server.on else "off"):
            told = wish.body.get("power")
            found.append(
                _untold(patient, server, f"its host was told power {told}, its row says {server.power_wanted}")
            )
    for host, id in there:
        known = servers.get(id)
        if known is None or (known.settled and known.host != host):
            found.append(
                Finding(
                    "wish.without_server", id, f"host {host} is told to have it, but it is not there",
                    "Its deletion or move was cut short, or rows were removed by hand.", AGAIN,
                    partial(patient.hosts.unwant, host, KIND, id),
                )
            )  # fmt: skip
    return found


def _untold(patient: Patient, server: Known, what: str) -> Finding:
    async def tell() -> None:
        assert patient.compute is not None
        row = await server_find(patient.compute, server.id)
        if row is not None:
            await want_as_settled(patient.compute, row)

    return Finding(
        "server.wish", server.id, what, "The document was changed or lost outside of an operation.", AGAIN, tell
    )


async def reports(patient: Patient) -> Sequence[Finding]:
    """Hosts report nothing that nobody wants of them."""
    there = await patient.hosts.seen_list(kind=KIND)  # first, as above
    wanted = {(wish.host, wish.id) for wish in await patient.hosts.wanted_list(kind=KIND)}
    servers = await servers_known(patient)
    return [
        Finding(
            "server.stranger", seen.id, f"host {seen.host} has it, but there is no such server",
            "It was removed from the tables while its host was away, or the database is older than the host.",
            f"Look at it, then {AGAIN[0].lower()}{AGAIN[1:-1]}: its host removes it.",
            partial(patient.hosts.unwant, seen.host, KIND, seen.id),
        )
        for seen in there
        if seen.present and (seen.host, seen.id) not in wanted and seen.id not in servers
    ]  # fmt: skip


async def hosts(patient: Patient) -> Sequence[Finding]:
    """Hosts are heard, and servers are on hosts that exist."""
    now = patient.clock.now()
    known = {host.name: host for host in await patient.hosts.list()}
    found = [
        Finding(
            "host.silent", host.name, f"was last heard {host.last_heard:%Y-%m-%d %H:%M:%S} UTC",
            "Its agent does not run, or cannot reach this controller.",
            "Start `pileus` there; if the machine is lost, remove the host.",
        )
        for host in known.values() if not host.up(now) and patient.machine.controller() is not None
    ]  # fmt: skip
    found += [
        Finding(
            "server.host_unknown", server.id, f"is on {server.host}, which is no host of this cloud",
            "The host was removed with servers on it.", "Delete the server, or join the host again.",
        )
        for server in (await servers_known(patient)).values()
        if server.host is not None and server.host not in known
    ]  # fmt: skip
    return found


async def building(patient: Patient) -> Sequence[Finding]:
    """Every server that is being built has an operation that builds it."""
    found = []
    for server in (await servers_known(patient)).values():
        if server.launched or server.broken or server.busy:
            continue

        async def break_it(id: str = server.id) -> None:
            assert patient.compute is not None
            row = await server_find(patient.compute, id)
            if row is not None:
                fault = Fault(500, "Nobody was building it any more.", patient.clock.now())
                await server_change(patient.compute, row, broken=True, fault=fault)

        found.append(
            Finding(
                "server.nobody_builds", server.id, "is in BUILD, but no operation is at work on it",
                "The operation's row was lost.", f"{AGAIN[:-1]}: it is then in ERROR; delete it and boot another.", break_it,
            )
        )  # fmt: skip
    return found


async def processes(patient: Patient) -> Sequence[Finding]:
    """What runs on this machine is what shall run on it."""
    machine = patient.machine
    if "servers" not in machine.shows:
        return []
    # The machine first: what is deleted between the two readings is then no stranger.
    running, directories = machine.qemus(), machine.directories()
    servers, deleted = await servers_known(patient), await servers_deleted(patient)
    here = {id: server for id, server in servers.items() if server.host == patient.own_host or server.busy}
    found = []
    pids = dict(running)
    for id, number in Counter(id for id, _ in running).items():
        if number > 1:
            found.append(
                Finding("server.twice", id, f"has {number} QEMU processes", "One was started beside another.",
                        "Stop the server, and end what still runs by hand: both write to one disk.")
            )  # fmt: skip
    for server in here.values():
        if server.settled and server.on and server.id not in pids:
            found.append(Finding("server.not_running", server.id, f"shall run on {server.host}, but no QEMU does",
                                 "The process ended, and the cloud has not seen that.", START))  # fmt: skip
        if server.settled and not server.on and server.id in pids:
            found.append(Finding("server.still_running", server.id, f"shall be off, but QEMU {pids[server.id]} runs",
                                 "It was started by hand, or its host was restored from a backup.", START))  # fmt: skip
    for id in sorted((pids.keys() | directories) - here.keys()):
        found.append(_leftover(patient, id, pids.get(id), deleted=id in deleted))
    return found


def _leftover(patient: Patient, id: str, pid: int | None, *, deleted: bool) -> Finding:
    what = f"QEMU {pid} runs" if pid is not None else "has a directory"
    code = "qemu.stranger" if pid is not None else "directory.stranger"
    if deleted:
        return Finding(
            code, id, f"{what}, but the server is deleted", "The deletion did not reach this host.", AGAIN,
            lambda: patient.machine.remove_server(id),
        )  # fmt: skip
    return Finding(
        code, id, f"{what}, but no server of this host has that id",
        "The database is older than this host, or the directory was copied here.",
        f"Keep what you need of servers/{id}; then end the process and remove the directory by hand.",
    )  # fmt: skip


CHECKS = (hosts, building, wishes, reports, processes)

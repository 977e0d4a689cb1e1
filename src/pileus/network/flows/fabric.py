"""Keeps the fabric as the tables say, and tells the tables how ports fare.

    change committed -> wake-up -> read what changed -> Fabric.sync, metadata documents
    each minute      ->            read everything   -> Fabric.sync, metadata documents
    port came up or went down -> wake-up -> one UPDATE for all of them -> whoever waits for servers' ports is woken

Neither takes input: a wake-up says no more than "look again", so restarts and lost wake-ups change nothing.
"""

import datetime as dt
from collections.abc import Sequence
from functools import partial

from pileus.kit.flow.standing import Standing
from pileus.network.app import FABRIC, PORT_STATES, Network
from pileus.network.drivers.interface import PortState
from pileus.network.flows.topology import doors, topology
from pileus.network.store import ports as rows
from pileus.network.store.world import Seen, World
from pileus.ports.network import SERVER_PORTS

METADATA_KIND = "metadata"
RESYNC_S = 60.0


class FabricKeeper:
    """Two reconcilers: down to the fabric, and up from it."""

    def __init__(self, app: Network) -> None:
        self._app = app
        self._seen = Seen()
        self._read_at: dt.datetime | None = None  # when everything was read last; None: it is to be
        app.fabric.on_port_change(self._port_changed)

    def standing(self) -> Sequence[Standing]:
        """Both, to be run by whoever has the fabric."""
        return (
            Standing("network.fabric", RESYNC_S, self.sync, FABRIC, everywhere=True),
            Standing("network.port_states", RESYNC_S, self.take_states, PORT_STATES, everywhere=True),
        )

    def _port_changed(self, port_id: str, state: PortState) -> None:
        self._app.bus.wake(PORT_STATES, "all")

    async def sync(self) -> str | None:
        """The fabric and the doors for metadata are as the tables say."""
        app = self._app
        now = app.clock.now()
        # What an earlier pass read and could not carry out is still to be done, so it is read again.
        read_at, self._read_at = self._read_at, None
        afresh = read_at is None or (now - read_at).total_seconds() >= RESYNC_S
        everything = await self._seen.read(app.db, afresh=afresh)
        # A host that says it is on no physical network has no way out for others' traffic.
        hosts = sorted(host.name for host in await app.hosts.list() if host.facts.get("physical_networks") != [])
        changes = await app.fabric.sync(topology(everything, hosts, app.config.dns_domain))
        opened = await self._keep_doors(everything)
        self._read_at = now if afresh else read_at
        if changes.none and not opened:
            return None
        return f"{changes.inserted} rows added, {changes.updated} changed, {changes.deleted} removed; {opened} doors"

    async def _keep_doors(self, everything: World) -> int:
        """The hosts' documents for metadata are as the tables say; returns how many changed."""
        app, wanted = self._app, doors(everything)
        changed = 0
        there = {(wish.host, wish.id): wish for wish in await app.hosts.wanted_list(kind=METADATA_KIND)}
        for (host, network_id), door in wanted.items():
            wish = there.get((host, network_id))
            generation = await app.hosts.want(host, METADATA_KIND, network_id, door)
            changed += wish is None or wish.generation != generation
        for (host, network_id), wish in there.items():
            if (host, network_id) not in wanted and not wish.gone:
                await app.hosts.unwant(host, METADATA_KIND, network_id)
                changed += 1
        return changed

    async def take_states(self) -> str | None:
        """Ports are up in the tables as they are in the fabric."""
        app = self._app
        states = await app.fabric.port_states()
        known = dict(await app.db.all(rows.UPS))
        up = [port_id for port_id, is_up in known.items() if not is_up and port_id in states and states[port_id].up]
        down = [port_id for port_id, is_up in known.items() if is_up and not (port_id in states and states[port_id].up)]
        if not up and not down:
            return None
        async with app.db.transaction():
            for ids, now_up in ((up, True), (down, False)):
                if ids:
                    await app.db.run(rows.SET_UP, ids=ids, now_up=now_up)
            for server_id in await app.db.all(rows.SERVERS_OF, ids=[*up, *down]):
                app.db.on_commit(partial(app.bus.wake, SERVER_PORTS, server_id))
        return f"{len(up)} ports up, {len(down)} down"

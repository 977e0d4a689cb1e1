"""OVN as a fabric: sync writes the northbound database, port states come from it and the southbound one."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from pileus.network.drivers.interface import Changes, PortListener, PortState, Topology
from pileus.network.drivers.ovn.diff import Difference, difference
from pileus.network.drivers.ovn.ovsdb import Columns, Ovsdb
from pileus.network.drivers.ovn.rows import TABLES, render
from pileus.network.drivers.ovn.values import MARK, Plain, Uuid

log = logging.getLogger(__name__)

_SOUTHBOUND = {"Port_Binding": ("logical_port", "chassis"), "Chassis": ("name",)}


class OvnFabric:
    """A `Fabric` over OVN's two databases; `gateway_hosts` carry gateways where a topology names none."""

    def __init__(self, northbound: Path, southbound: Path, gateway_hosts: Sequence[str] = ()) -> None:
        self._north = Ovsdb(northbound, "OVN_Northbound", TABLES, self._north_changed)
        self._south = Ovsdb(southbound, "OVN_Southbound", _SOUTHBOUND, self._south_changed)
        self._gateway_hosts = tuple(gateway_hosts)
        self._listeners: list[PortListener] = []
        self._told: dict[str, PortState] = {}
        self._bound_to: dict[str, str] = {}  # port id -> UUID of its chassis
        self._binding_names: dict[str, str] = {}  # UUID of a binding -> port id
        self._up: dict[str, bool] = {}
        self._port_uuids: dict[str, str] = {}  # UUID of a switch port -> port id
        self._one_at_a_time = asyncio.Lock()

    async def start(self) -> None:
        """Both databases are copied."""
        await self._north.start()
        await self._south.start()

    async def stop(self) -> None:
        """No connection is left; what was written stays."""
        await self._north.stop()
        await self._south.stop()

    async def sync(self, wanted: Topology) -> Changes:
        """The northbound database holds exactly `wanted` and what others put there."""
        async with self._one_at_a_time:
            await self._north.catch_up()
            found = self._difference(wanted)
            if found.operations:
                await self._north.transact(found.operations)
                log.info("fabric changed", extra={"added": found.changes.inserted, "removed": found.changes.deleted})
            return found.changes

    async def diff(self, wanted: Topology) -> Changes:
        """What `sync` would change."""
        await self._north.catch_up()
        return self._difference(wanted).changes

    async def port_states(self) -> Mapping[str, PortState]:
        """The state of every port of ours."""
        return {port_id: self._state(port_id) for port_id in self._port_uuids.values()}

    def on_port_change(self, listener: PortListener) -> None:
        """`listener` is called with each change from now on."""
        self._listeners.append(listener)

    def _difference(self, wanted: Topology) -> Difference:
        present = {table: self._north.rows(table) for table in TABLES}
        return difference(present, render(wanted, self._gateway_hosts))

    def _state(self, port_id: str) -> PortState:
        chassis = self._south.rows("Chassis").get(self._bound_to.get(port_id, ""))
        host = _text(chassis.get("name")) if chassis is not None else None
        return PortState(self._up.get(port_id, False), host)

    def _north_changed(self, table: str, uuid: str, columns: Columns | None) -> None:
        if table != "Logical_Switch_Port":
            return
        if columns is None:
            gone = self._port_uuids.pop(uuid, "")
            self._up.pop(gone, None)
            self._told.pop(gone, None)
            return
        port_id = _text(columns.get("name"))
        marks = columns.get("external_ids")
        if port_id is None or not isinstance(marks, dict) or marks.get(MARK) != port_id:
            return
        self._port_uuids[uuid] = port_id
        self._up[port_id] = columns.get("up") == frozenset((True,))
        self._tell(port_id)

    def _south_changed(self, table: str, uuid: str, columns: Columns | None) -> None:
        if table == "Chassis":
            for port_id in [port_id for port_id, chassis in self._bound_to.items() if chassis == uuid]:
                self._tell(port_id)
        elif columns is None:
            gone = self._binding_names.pop(uuid, "")
            self._bound_to.pop(gone, None)
            self._tell(gone)
        else:
            port_id = _text(columns.get("logical_port")) or ""
            self._binding_names[uuid] = port_id
            chassis = next((atom.text for atom in columns.get("chassis", ()) if isinstance(atom, Uuid)), "")
            self._bound_to[port_id] = chassis
            self._tell(port_id)

    def _tell(self, port_id: str) -> None:
        if port_id not in self._up:
            return
        state = self._state(port_id)
        if self._told.get(port_id, PortState(False)) == state:
            return
        self._told[port_id] = state
        for listener in self._listeners:
            asyncio.get_running_loop().call_soon(listener, port_id, state)


def _text(value: Plain | None) -> str | None:
    atom = next(iter(value or ()), None)
    return atom if isinstance(atom, str) else None

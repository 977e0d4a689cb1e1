"""Sees when a port's TAP left the switch or the kernel by somebody else's hand.

Off the switch: it is put back. Out of the kernel: whoever runs the server is told, who alone can bring it back to life.
"""

import asyncio
import logging
import socket
from collections.abc import Callable

from pileus.kit.run import ProgramFailed
from pileus.network.drivers.interface import DriverError
from pileus.network.drivers.ovn import namespace
from pileus.network.drivers.ovn.jsonrpc import Connection, RpcFailed
from pileus.network.drivers.ovn.place import Place
from pileus.network.drivers.ovn.plug import OvnPlug, device

EVERY_S = 3.0
SELECT = {"op": "select", "table": "Interface", "columns": ["name", "external_ids"], "where": []}

log = logging.getLogger(__name__)


class TapWatch:
    """Looks at the TAPs of a host, again and again."""

    def __init__(self, place: Place, plug: OvnPlug, lost: Callable[[str], None]) -> None:
        self._place = place
        self._plug = plug
        self._lost = lost
        self._loose: set[str] = set()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From now on it looks, every few seconds."""
        if self._running is None:
            self._running = asyncio.create_task(self._look_for_ever(), name="taps")

    async def stop(self) -> None:
        """It looks no more."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.look()
            except (OSError, RpcFailed, DriverError, ProgramFailed) as failed:
                # The daemons' own watch mends those; then there is something to see again.
                log.info("TAPs cannot be seen", extra={"why": str(failed)})
            except Exception:
                # Whatever it was: who looks after the TAPs must go on looking.
                log.exception("the look at TAPs broke")

    async def look(self) -> None:
        """What is loose for the second time is on the switch again; what is gone was told."""
        there = {name for _, name in await namespace.within(self._place.namespace, socket.if_nameindex)}
        switched = await self._switched()
        for name, port_id in switched.items():
            if name not in there:
                self._lost(port_id)
        # One that comes or goes just now is loose for a moment, so it has to be seen twice.
        loose = {name for name in there - switched.keys() if name.startswith("tap")}
        if loose & self._loose:
            restored = await self._plug.restore()
            if restored:
                log.warning("TAPs were off the switch and are back", extra={"ports": sorted(restored)})
        self._loose = loose

    async def _switched(self) -> dict[str, str]:
        """The ports on the switch, by the names of their TAPs."""
        connection = await Connection.open(self._place.socket)
        try:
            [rows] = await connection.call("transact", ["Open_vSwitch", SELECT])
        finally:
            await connection.close()
        found = {row["name"]: dict(row["external_ids"][1]).get("iface-id", "") for row in rows["rows"]}
        return {name: port_id for name, port_id in found.items() if port_id and name == device(port_id)}

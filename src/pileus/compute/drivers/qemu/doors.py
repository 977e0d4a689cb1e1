"""Doors in a server's directory, through which its QEMU reaches what waits for it on the other host.

    QEMU -- leave-<name>.sock -- (we) -- the hosts' channel -- (the other host) -- land-<name>.sock -- QEMU there

QEMU never has an address on any network: both ends are sockets that only the server's own user may open. They last as long as
we do; whoever comes after us finds the way broken off, which QEMU survives.
"""

import asyncio
from pathlib import Path

from pileus.compute.drivers.interface import DriverError
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.process import listen
from pileus.kit.errors import Problem
from pileus.kit.hosts.wire import join
from pileus.kit.observe.log import log_of
from pileus.ports.server_streams import Opened, ServerStreams

log = log_of(__name__)


class Doors:
    """The doors of one server that leaves."""

    def __init__(self, home: Home, streams: ServerStreams | None) -> None:
        self._home = home
        self._streams = streams
        self._servers: list[asyncio.Server] = []
        self._ready: dict[str, list[Opened]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open_(self) -> bool:
        """Whether there are any."""
        return bool(self._servers)

    async def open(self, name: str, connections: int) -> str:
        """So many connections lead from the door to the other host already; returns the door's name for QEMU."""
        if self._streams is None:
            raise DriverError("This host hands no servers to others", name)
        try:
            for _ in range(connections):
                opened = await self._streams.open(self._home.id, name)
                self._ready.setdefault(name, []).append(opened)
        except Problem as failed:
            raise DriverError("The other host cannot be reached", failed.message) from failed
        door = door_of(self._home, name)
        listener = listen(door, uid=self._home.uid)

        def entered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._carry(name, reader, writer), name=f"{name} of {self._home.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._servers.append(await asyncio.start_unix_server(entered, sock=listener))
        return door.name

    async def close(self) -> None:
        """There are none, and nothing goes through them."""
        for server in self._servers:
            server.close()
        self._servers = []
        waiting = [opened for several in self._ready.values() for opened in several]
        self._ready = {}
        for _, writer, _ in waiting:
            writer.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name in ("disks", "memory"):
            door_of(self._home, name).unlink(missing_ok=True)

    async def _carry(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bytes go both ways until one side ends. No more connections are carried than were opened."""
        if not self._ready.get(name):
            writer.close()
            return
        there_reader, there_writer, first = self._ready[name].pop()
        writer.write(first)
        await join((reader, writer), (there_reader, there_writer))
        log.debug("a server's way has ended", server=self._home.id, name=name)


def door_of(home: Home, name: str) -> Path:
    """Where QEMU finds the door."""
    return home.guest / f"leave-{name}.sock"


def landing_of(home: Home, name: str) -> Path:
    """Where the QEMU that awaits a server listens."""
    return home.guest / f"land-{name}.sock"


def forget_landings(home: Home) -> None:
    """Nobody listens there any more."""
    for name in ("disks", "memory"):
        landing_of(home, name).unlink(missing_ok=True)

"""What the doctor sees of the machine itself: QEMU processes, servers' directories, TAPs and metadata namespaces.

Where a driver only pretends there is nothing to see, and `shows` says so: no conclusion is drawn from what cannot be seen.
"""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Sequence
from typing import Literal, Protocol

from pileus.kit.run import ProgramFailed, run
from pileus.main.processes import daemons_of, end, servers_of
from pileus.main.settings import Settings
from pileus.main.state import State
from pileus.network.drivers.ovn import namespace
from pileus.network.drivers.ovn.metadata import remove_namespace
from pileus.network.drivers.ovn.place import INTEGRATION_BRIDGE, Place

Sight = Literal["servers", "networks"]


class Machine(Protocol):
    """A host, looked at from outside of the cloud's process."""

    @property
    def shows(self) -> frozenset[Sight]:
        """What of a cloud can be seen here: `servers` as processes, `networks` in the kernel."""
        ...

    def controller(self) -> int | None:
        """The process that runs the cloud."""
        ...

    def qemus(self) -> Sequence[tuple[str, int]]:
        """Server id and process of every QEMU of this cloud."""
        ...

    def directories(self) -> set[str]:
        """The ids of servers that have a directory."""
        ...

    def dead_daemons(self) -> Sequence[str]:
        """Daemons of the network that have ended."""
        ...

    async def taps(self) -> set[str]:
        """Names of the TAPs in the cloud's namespace."""
        ...

    def doors(self) -> set[str]:
        """The ids of the networks that have a namespace for metadata."""
        ...

    def damage(self) -> str | None:
        """What SQLite finds wrong with the database file."""
        ...

    def free(self) -> tuple[int, int]:
        """Bytes free and in all where the state is."""
        ...

    async def remove_server(self, id: str) -> None:
        """No process and no file of the server is left."""
        ...

    async def remove_tap(self, name: str) -> None:
        """The TAP is neither on the switch nor in the kernel."""
        ...

    async def remove_door(self, network_id: str) -> None:
        """The network's namespace for metadata is gone."""
        ...


class ThisMachine:
    """The machine the doctor runs on."""

    def __init__(self, state: State, settings: Settings) -> None:
        self._state = state
        self._settings = settings
        self._place = Place(state.path)

    @property
    def shows(self) -> frozenset[Sight]:
        has, settings = self._settings.services, self._settings
        servers: set[Sight] = {"servers"} if "compute" in has and settings.compute_driver == "qemu" else set()
        networks: set[Sight] = {"networks"} if "network" in has and settings.network_driver == "ovn" else set()
        return frozenset(servers | networks)

    def controller(self) -> int | None:
        return self._state.pid()

    def qemus(self) -> Sequence[tuple[str, int]]:
        return [(id, found.pid) for id, found in servers_of(self._state)]

    def directories(self) -> set[str]:
        folder = self._state / "servers"
        return {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()

    def dead_daemons(self) -> Sequence[str]:
        return [name for name, found in daemons_of(self._state) if found is None] if "networks" in self.shows else []

    async def taps(self) -> set[str]:
        if not namespace.exists(self._place.namespace):
            return set()
        links = json.loads((await run(["ip", "-json", "-n", self._place.namespace, "link", "show"])).out)
        return {link["ifname"] for link in links if link["ifname"].startswith("tap")}

    def doors(self) -> set[str]:
        prefix = self._place.metadata_namespace()
        return {name.removeprefix(prefix) for name in namespace.named(prefix)}

    def damage(self) -> str | None:
        return None if self._settings.database else damage_of(self._state)

    def free(self) -> tuple[int, int]:
        usage = shutil.disk_usage(self._state.path)
        return usage.free, usage.total

    async def remove_server(self, id: str) -> None:
        await asyncio.to_thread(end, [pid for found, pid in self.qemus() if found == id])
        await asyncio.to_thread(shutil.rmtree, self._state / "servers" / id, ignore_errors=True)

    async def remove_tap(self, name: str) -> None:
        try:
            switch = f"--db=unix:{self._place.socket}"
            await run(["ovs-vsctl", switch, "--timeout=10", "--if-exists", "del-port", INTEGRATION_BRIDGE, name])
        finally:
            gone = await run(["ip", "-n", self._place.namespace, "link", "delete", name], check=False)
            if gone.code != 0 and name in await self.taps():
                raise ProgramFailed(gone.argv, gone.err)

    async def remove_door(self, network_id: str) -> None:
        await remove_namespace(self._place.metadata_namespace(network_id))


def damage_of(state: State) -> str | None:
    """The first lines of what SQLite finds wrong, None when the file is sound."""
    connection = sqlite3.connect(f"file:{state.database}?mode=ro", uri=True)
    try:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
    except sqlite3.DatabaseError as failed:
        return str(failed)
    finally:
        connection.close()
    return None if found == ["ok"] else "; ".join(found)

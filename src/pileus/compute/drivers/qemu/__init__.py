"""Servers as QEMU processes, one each, that outlive us.

`argv` and `plan` decide, `server` acts, `starting` begins its QEMU, which `emulator` finds again and ends, and `sight` tells of
it; `process`, `monitor` and `disks` are the edges to the world. Whatever is needed to go on after a restart is in the
server's directory, so a new `Qemu` on the same state adopts what runs.
"""

import asyncio
import os
import platform
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from pileus.compute.drivers.interface import ABILITIES, Changed, ConsoleKind, DriverError, Facts, Power, Seen, Wanted
from pileus.compute.drivers.qemu.accel import Acceleration, ProbeGuest, version
from pileus.compute.drivers.qemu.argv import CONSOLE_LOG, MAX_DISKS, MAX_NICS, NIC_DEVICES, VNC_SOCKET
from pileus.compute.drivers.qemu.arrivals import Arrivals
from pileus.compute.drivers.qemu.attached import Attached
from pileus.compute.drivers.qemu.cgroup import Groups
from pileus.compute.drivers.qemu.console import tail
from pileus.compute.drivers.qemu.disks import Disks
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.images import ImageCache
from pileus.compute.drivers.qemu.means import Means
from pileus.compute.drivers.qemu.process import dial
from pileus.compute.drivers.qemu.server import Server
from pileus.compute.drivers.qemu.volume_copies import VolumeCopies
from pileus.ports.attached_disks import AttachedDisks
from pileus.ports.given_passwords import GivenPasswords
from pileus.ports.image_files import ImageFiles
from pileus.ports.plug import MendsTaps, Plug
from pileus.ports.server_files import ServerFiles
from pileus.ports.server_streams import ServerStreams
from pileus.ports.volume_keys import VolumeKeys

__all__ = ["ProbeGuest", "Qemu"]

STOP_S = 60.0


class Qemu:
    """Hypervisor, ShowsConsoleLog, OpensConsole, GivesFiles, MovesLive and KeepsImages, with QEMU below `state`."""

    def __init__(
        self,
        state: Path,
        images: ImageFiles,
        plug: Plug,
        *,
        files: ServerFiles | None = None,
        streams: ServerStreams | None = None,
        keys: VolumeKeys | None = None,
        passwords: GivenPasswords | None = None,
        probe: ProbeGuest | None = None,
        verdict: Path | None = None,
        stop_s: float = STOP_S,
        resume_after_reboot: bool = False,
    ) -> None:
        self._servers_path = state / "servers"
        self._state = state
        self._changed: Changed = lambda id: None
        self._arrivals = Arrivals(files)
        self.images = ImageCache(state / "cache" / "images", images)
        self._accel = Acceleration(verdict or state / "run" / "accel.json", probe)
        self._servers: dict[str, Server] = {}
        self._means = Means(
            disks=Disks(self.images, self._arrivals),
            plug=plug,
            accel=self._accel,
            groups=Groups("pileus"),
            changed=self._tell,
            stop_s=stop_s,
            resume_after_reboot=resume_after_reboot,
            streams=streams,
            volume_copies=VolumeCopies(),
            keys=keys,
            passwords=passwords,
        )
        self.attached: AttachedDisks = Attached(self._means.volume_copies, self._all)
        if isinstance(plug, MendsTaps):
            plug.on_lost(self._port_lost)

    def _all(self) -> list[tuple[Home, Server]]:
        """Every server that is here."""
        here = self._servers_path.iterdir() if self._servers_path.exists() else ()
        ids = sorted(entry.name for entry in here if _is_id(entry.name))
        return [(self._home(id), self._server(id)) for id in ids]

    def _port_lost(self, port_id: str) -> None:
        for id, server in self._servers.items():
            if server.has(port_id):
                self._changed(id)

    def on_change(self, changed: Changed) -> None:
        """From now on `changed(id)` is called whenever a server is worth another look."""
        self._changed = changed

    def _tell(self, id: str) -> None:
        self._changed(id)

    async def facts(self) -> Facts:
        """What this host has."""
        self._state.mkdir(parents=True, exist_ok=True)
        disk = shutil.disk_usage(self._state)
        return Facts(
            hostname=platform.node(),
            cpus=len(os.sched_getaffinity(0)),
            ram_mib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20,
            disk_gib=disk.total // 2**30,
            disk_free_gib=disk.free // 2**30,
            arch=platform.machine(),
            hypervisor="QEMU",
            hypervisor_version=await version(),
            accel=self._accel.known(),
            abilities=ABILITIES,
        )

    async def observe(self) -> Mapping[str, Seen]:
        """Every server with a directory here; its process, if one runs, is adopted."""
        if not self._servers_path.exists():
            return {}
        ids = sorted(entry.name for entry in self._servers_path.iterdir() if _is_id(entry.name))
        seen = await asyncio.gather(*(self.look(id) for id in ids))
        return dict(zip(ids, seen, strict=True))

    async def look(self, id: str) -> Seen:
        """The server as it is now."""
        return await self._server(id).look()

    async def ensure(self, server: Wanted) -> None:
        """The server is, or is becoming, as wanted."""
        if len(server.nics) > MAX_NICS or len(server.own_disks) + _places(server) > MAX_DISKS:
            raise DriverError("The server has too many devices", f"{MAX_NICS} cards and {MAX_DISKS} disks is the most")
        unknown = {nic.model for nic in server.nics} - NIC_DEVICES.keys()
        if unknown:
            raise DriverError("No such model of network card", ", ".join(sorted(unknown)))
        if server.firmware != "bios":
            raise DriverError("No such firmware here", server.firmware)
        await self._server(server.id).ensure(server)

    async def ensure_power(self, id: str, power: Power) -> None:
        """The server has, or is getting, that power."""
        await self._server(id).ensure_power(power)

    async def ensure_gone(self, id: str) -> None:
        """Nothing of the server is left on this host."""
        await self._server(id).remove()
        self._servers.pop(id, None)

    async def console_log(self, id: str, lines: int | None = None) -> str:
        """The end of what the server printed on its serial console."""
        return await asyncio.to_thread(tail, self._home(id).guest / CONSOLE_LOG, lines)

    async def open(self, id: str, kind: ConsoleKind) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the console of a running server."""
        home = self._home(id)
        try:
            if kind is ConsoleKind.VNC:
                connection = dial(home.guest / VNC_SOCKET, home.uid)
            else:
                connection = dial(home.agent if kind is ConsoleKind.AGENT else home.serial)
            return await asyncio.open_unix_connection(sock=connection)
        except OSError as failed:
            raise DriverError(f"The {kind} console cannot be opened", failed.strerror or str(failed)) from failed

    async def give(self, id: str, name: str) -> int:
        """An open descriptor of a disk of a server at rest, or of a copy."""
        return await self._server(id).give(name)

    async def landing(self, id: str, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to what waits here for the server's disks or memory."""
        return await self._server(id).landing(name)

    async def close(self) -> None:
        """Let go of every server; they go on running."""
        await self.images.close()
        await self._arrivals.close()
        await self._accel.close()
        await self._means.volume_copies.close()
        await asyncio.gather(*(server.let_go() for server in self._servers.values()))
        self._servers.clear()

    def _server(self, id: str) -> Server:
        server = self._servers.get(id)
        if server is None:
            server = self._servers[id] = Server(self._home(id), self._means)
        return server

    def _home(self, id: str) -> Home:
        if not _is_id(id):
            raise DriverError("That is no server's id", id)
        return Home(self._servers_path, id)


def _places(server: Wanted) -> int:
    """How many disks its volumes take; one that takes another's place takes no more."""
    return sum(1 for volume in server.volumes if volume.instead_of is None)


def _is_id(text: str) -> bool:
    """Ids become names of directories, so nothing else passes."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False

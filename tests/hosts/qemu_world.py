"""Real QEMU on this machine, with a guest of one sector and ports that lead nowhere."""

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import struct
from collections.abc import AsyncIterator
from pathlib import Path

from tests.compute.drivers.contract import SETTLE_S, a_server

from pileus.compute.drivers.interface import ConsoleKind, Disk, Image, ImageFormat, Nic, Wanted
from pileus.compute.drivers.qemu import Qemu
from pileus.guest.sector import GREETING, boot_sector
from pileus.ports.image_files import ImageFiles
from pileus.ports.plug import PortPlug
from pileus.ports.server_files import ServerFiles
from pileus.ports.server_streams import ServerStreams
from pileus.ports.volume_keys import VolumeKeys

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
OBEDIENT, DEAF, BROKEN = "obedient", "deaf", "broken"


class Sectors:
    """ImageFiles with two images, and one that cannot be read until mended."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.broken = True

    async def fetch(self, image_id: str, destination: Path) -> None:
        self.fetched.append(image_id)
        if image_id == BROKEN and self.broken:
            raise OSError("the store is on fire")
        await asyncio.to_thread(destination.write_bytes, boot_sector(hears_button=image_id != DEAF))


class LooseTaps:
    """Plug whose taps live as long as someone holds them."""

    def __init__(self) -> None:
        self.plugged: dict[str, PortPlug] = {}
        self.unplugged: set[str] = set()

    async def ensure_plugged(self, port: PortPlug) -> str:
        self.plugged[port.id] = port
        return f"tap{port.id}"

    async def open_tap(self, port_id: str) -> int:
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", f"tap{port_id}".encode(), IFF_TAP | IFF_NO_PI))
        return fd

    async def ensure_unplugged(self, port_id: str) -> None:
        self.unplugged.add(port_id)
        self.plugged.pop(port_id, None)


class QemuWorld:
    """A hypervisor and what a test does to its guests."""

    def __init__(self, state: Path, *, stop_s: float = 20.0, images: ImageFiles | None = None,
                 files: ServerFiles | None = None, streams: ServerStreams | None = None,
                 keys: VolumeKeys | None = None) -> None:  # fmt: skip
        self.state = state
        self.sectors = Sectors()
        self.images = images or self.sectors
        self.plug = LooseTaps()
        self.stop_s = stop_s
        self.files, self.streams, self.keys = files, streams, keys
        self.hypervisor = self.begin_anew()

    def begin_anew(self) -> Qemu:
        """A hypervisor that knows only what is on disk."""
        self.hypervisor = Qemu(
            self.state, self.images, self.plug, files=self.files, streams=self.streams, keys=self.keys,
            stop_s=self.stop_s,
        )  # fmt: skip
        return self.hypervisor

    def wanted(self, image: str = OBEDIENT, **changes: object) -> Wanted:
        root = Disk(size_gib=1, image=Image(image, ImageFormat.RAW))
        return a_server(root=root, **changes)

    async def guest_prints(self, id: str) -> str:
        """Wait until the guest is up: then its greeting is in the log."""
        reader, writer = await self.hypervisor.open(id, ConsoleKind.SERIAL)
        async with asyncio.timeout(SETTLE_S):
            # What it printed before we came is in the log only; so we make it speak.
            writer.write(b"?")
            await reader.readuntil(b"?")
        writer.close()
        await writer.wait_closed()
        return GREETING

    async def type(self, id: str, text: bytes) -> None:
        await self.guest_prints(id)
        reader, writer = await self.hypervisor.open(id, ConsoleKind.SERIAL)
        async with asyncio.timeout(SETTLE_S):
            writer.write(text)
            # Who leaves before the echo takes along what QEMU has not read yet.
            await reader.readexactly(len(text))
        writer.close()
        await writer.wait_closed()

    async def guest_powers_off(self, id: str) -> None:
        await self.type(id, b"!")

    async def lose_power(self, id: str) -> None:
        pid = (await self.hypervisor.look(id)).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    async def close(self) -> None:
        """Nothing is left of any server."""
        for id in await self.hypervisor.observe():
            await self.hypervisor.ensure_gone(id)
        await self.hypervisor.close()


@contextlib.asynccontextmanager
async def qemu_world(
    state: Path,
    *,
    stop_s: float = 20.0,
    images: ImageFiles | None = None,
    files: ServerFiles | None = None,
    keys: VolumeKeys | None = None,
) -> AsyncIterator[QemuWorld]:
    """A world that ends with the block, and with it every QEMU in it."""
    world = QemuWorld(state, stop_s=stop_s, images=images, files=files, keys=keys)
    try:
        yield world
    finally:
        await world.close()


def a_nic(port_id: str) -> Nic:
    return Nic(port_id=port_id, mac="fa:16:3e:00:00:01", mtu=1442)


def qemus_in(state: Path) -> list[int]:
    """Processes that run in a state directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if re.fullmatch(r"\d+", entry.name):
            with contextlib.suppress(OSError):
                if str(state) in os.readlink(entry / "cwd"):
                    found.append(int(entry.name))
    return found

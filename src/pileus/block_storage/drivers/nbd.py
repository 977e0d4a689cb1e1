"""Volumes of files for servers on other hosts: QEMU's storage daemon serves one by NBD, and another one makes a file of it there.

    the volume's file -> daemon ==== NBD in TLS, a key for each host that may ====> daemon -> a file (FUSE) -> QEMU

There is a pair of daemons for each attachment, and none survives that. They outlive the agent, which finds them again by their
process ids. Whoever serves listens only where its operator said so. The lines of programs are pure functions.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pileus.block_storage.drivers.interface import DriverError
from pileus.block_storage.drivers.thread import in_thread
from pileus.kit.run import ProgramFailed, run

PROGRAM = "qemu-storage-daemon"
START_S = 30.0
STOP_S = 3.0  # one that waits for a host that is away does not hear before that is over
RECONNECT_S = 600  # how long a guest waits for a volume whose host is away, before it is told of an error
KEYS = "keys.psk"


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A volume as its host serves it for an attachment: to these hosts, at this address."""

    id: str
    path: str
    format: str = "raw"
    address: str
    port: int
    peers: tuple[str, ...]
    readonly: bool = False


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """A volume of another host as this one reaches it for an attachment."""

    id: str
    host: str  # this one, as the key is called
    address: str
    port: int
    readonly: bool = False


def serve(one: Served, folder: Path) -> list[str]:
    """Serve it. A disk of the same name that is to be written by two is so by both, or one is refused by its lock."""
    driver = "host_device" if one.path.startswith("/dev/") else "file"
    only = ("read-only=on",) if one.readonly else ()
    return [
        PROGRAM,
        "--object", f"tls-creds-psk,id=tls,endpoint=server,dir={folder}",
        "--blockdev", _words(f"driver={driver}", "node-name=file", f"filename={_plain(one.path)}", "discard=unmap", *only),
        "--blockdev", _words(f"driver={one.format}", "node-name=disk", "file=file", "discard=unmap", *only),
        "--nbd-server", f"addr.type=inet,addr.host={one.address},addr.port={one.port},tls-creds=tls",
        "--export", f"nbd,id=export,node-name=disk,name={one.id},writable={_on(not one.readonly)}",
        "--pidfile", str(folder / "pid"),
        "--daemonize",
    ]  # fmt: skip


def link(one: Linked, folder: Path) -> list[str]:
    """Make a file of it: `disk` in the folder, which has to be there."""
    only = ("read-only=on",) if one.readonly else ()
    server = (f"server.type=inet,server.host={one.address},server.port={one.port}", f"export={one.id}", "tls-creds=tls")
    return [
        PROGRAM,
        "--object", f"tls-creds-psk,id=tls,endpoint=client,username={one.host},dir={folder}",
        "--blockdev", _words("driver=nbd", "node-name=there", *server, f"reconnect-delay={RECONNECT_S}", "discard=unmap", *only),
        "--blockdev", _words("driver=raw", "node-name=disk", "file=there", "discard=unmap", *only),
        "--export", f"fuse,id=export,node-name=disk,mountpoint={folder / 'disk'},writable={_on(not one.readonly)},allow-other=on",
        "--pidfile", str(folder / "pid"),
        "--daemonize",
    ]  # fmt: skip


def _words(*words: str) -> str:
    return ",".join(words)


def _plain(text: str) -> str:
    """As QEMU's options take a value: a comma is doubled."""
    return text.replace(",", ",,")


def _on(said: bool) -> str:  # noqa: FBT001 - it is the only thing there is
    return "on" if said else "off"


class Daemons:
    """The daemons of one kind, each with a folder of its own below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, id: str) -> Path:
        """What belongs to one."""
        return self._root / id

    def known(self) -> list[str]:
        """Those of which there is anything."""
        return sorted(path.name for path in self._root.iterdir()) if self._root.exists() else []

    def said(self, id: str) -> bytes:
        """What one that runs was started with; nothing of one that does not."""
        file = self.folder(id) / "said"
        return file.read_bytes() if self._pid(id) is not None and file.exists() else b""

    async def start(self, id: str, argv: list[str], keys: Mapping[str, str], said: bytes) -> None:
        """It runs, as `said`; raises DriverError with the program's words."""
        await self.stop(id)
        folder = self.folder(id)
        await in_thread(_furnish, folder, keys)
        try:
            await run(argv, deadline_s=START_S)
        except ProgramFailed as failed:
            await self.stop(id)
            raise DriverError(f"{PROGRAM} failed", failed.why) from failed
        (folder / "said").write_bytes(said)

    async def stop(self, id: str) -> None:
        """It does not run; its folder stays."""
        pid = self._pid(id)
        if pid is not None:
            await _end(pid)
        disk = self.folder(id) / "disk"
        if await in_thread(_is_mounted, disk):  # who was killed leaves it so
            with contextlib.suppress(ProgramFailed):  # it went by itself meanwhile; else what comes next says so
                await run(["umount", "--lazy", str(disk)])

    async def remove(self, id: str) -> None:
        """Nothing is left of it."""
        await self.stop(id)
        await in_thread(shutil.rmtree, self.folder(id), ignore_errors=True)

    def _pid(self, id: str) -> int | None:
        """Its process, if that is still it: numbers are used again."""
        try:
            pid = int((self.folder(id) / "pid").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if str(self.folder(id) / "pid").encode() in words else None


def _furnish(folder: Path, keys: Mapping[str, str]) -> None:
    """The folder is ours alone, and has the keys and an empty file to mount on."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("pid", "said", KEYS):
        (folder / name).unlink(missing_ok=True)
    handle = os.open(folder / KEYS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.writelines(f"{name}:{key}\n" for name, key in keys.items())
    (folder / "disk").touch(mode=0o600)


def _is_mounted(disk: Path) -> bool:
    return str(disk) in Path("/proc/self/mounts").read_text().split()


async def _end(pid: int) -> None:
    """The process is gone: asked to, or, if it waits for a host that is away, made to."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, gone.set)
    try:
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, how)
            try:
                async with asyncio.timeout(STOP_S):
                    await gone.wait()
                return
            except TimeoutError:
                continue
        raise DriverError(f"{PROGRAM} does not end", f"process {pid} is still there")
    finally:
        loop.remove_reader(handle)
        os.close(handle)

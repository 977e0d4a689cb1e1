"""Volumes of files for servers on other hosts: QEMU's storage daemon serves one by NBD, and another one makes a file of it there.

    the volume's file -> daemon ==== NBD in TLS, a key for each host that may ====> daemon -> a file (FUSE) -> QEMU

There is a pair of daemons for each attachment, and none survives that. They outlive the agent, which finds them again by their
process ids. Whoever serves listens only where its operator said so, and is nobody on its host: a user of its own, who may open this
volume's file and read the keys of this attachment, by descriptors, and nothing else. The lines of programs are pure functions.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import msgspec

from pileus.block_storage.drivers.interface import DriverError
from pileus.block_storage.drivers.thread import in_thread
from pileus.kit.jail import LEAN, jail_of
from pileus.kit.lent import lent
from pileus.kit.run import ProgramFailed, run

PROGRAM = "qemu-storage-daemon"
START_S = 30.0
STOP_S = 3.0  # one that waits for a host that is away does not hear before that is over
RECONNECT_S = 600  # how long a guest waits for a volume whose host is away, before it is told of an error
KEYS = "keys.psk"
MOST = (
    "prlimit",
    "--as=4294967296",
    "--core=0",
    *LEAN,
)  # sixteen requests at once, of 32 MiB each, and room for twice that


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A volume as its host serves it for an attachment: to these hosts, at this address."""

    id: str
    path: str
    format: str = "raw"
    address: str
    port: int
    peers: tuple[str, ...]
    readonly: bool = False
    user: int | None = None  # whose process it is: nobody else's; None: of whoever we are


class Handed(msgspec.Struct, frozen=True):
    """What a daemon is told of what it may open: the volume's file, if it has one, and the folder of its keys."""

    file: str
    keys: str
    descriptors: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """A volume of another host as this one reaches it for an attachment."""

    id: str
    host: str  # this one, as the key is called
    address: str
    port: int
    readonly: bool = False


def serve(one: Served, handed: Handed, pidfile: Path | None = None) -> list[str]:
    """Serve it. A disk of the same name that is to be written by two is so by both, or one is refused by its lock."""
    driver = "host_device" if one.path.startswith("/dev/") else "file"
    only = ("read-only=on",) if one.readonly else ()
    return [
        PROGRAM,
        "--object", f"tls-creds-psk,id=tls,endpoint=server,dir={handed.keys}",
        "--blockdev", _words(f"driver={driver}", "node-name=file", f"filename={_plain(handed.file)}", "discard=unmap", *only),
        "--blockdev", _words(f"driver={one.format}", "node-name=disk", "file=file", "discard=unmap", *only),
        "--nbd-server", f"addr.type=inet,addr.host={one.address},addr.port={one.port},tls-creds=tls",
        "--export", f"nbd,id=export,node-name=disk,name={one.id},writable={_on(not one.readonly)}",
        *(("--pidfile", str(pidfile)) if pidfile is not None else ()),
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
    """The daemons of one kind, each with a folder of its own below `root`; `jailed`: each as a user of its own, if we may do that."""

    def __init__(self, root: Path, *, jailed: bool = False) -> None:
        self._root = root
        self._jailed = jailed

    def folder(self, id: str) -> Path:
        """What belongs to one."""
        return self._root / id

    def pidfile(self, id: str) -> Path:
        """Where its process is noted."""
        return self.folder(id) / "pid"

    def user(self, id: str) -> int | None:
        """The user that one runs as; None: whoever we are."""
        return jail_of(f"door {id}").uid if self._jailed else None

    def known(self) -> list[str]:
        """Those of which there is anything."""
        return sorted(path.name for path in self._root.iterdir()) if self._root.exists() else []

    def said(self, id: str) -> bytes:
        """What one that runs was started with; nothing of one that does not."""
        file = self.folder(id) / "said"
        return file.read_bytes() if self._pid(id) is not None and file.exists() else b""

    async def start(
        self,
        id: str,
        words: Callable[[Handed], list[str]],
        keys: Mapping[str, str],
        said: bytes,
        file: str | None = None,
    ) -> None:
        """It runs, as `said`, and may open the file; raises DriverError with the program's words."""
        await self.stop(id)
        folder, user = self.folder(id), self.user(id)
        await in_thread(_furnish, folder, keys, user)
        try:
            async with _handed(folder, file, user) as handed:
                argv = words(handed)
                if self._jailed:
                    argv = jail_of(f"door {id}").around([*MOST, *argv], handed.groups)
                await run(argv, pass_fds=handed.descriptors, deadline_s=START_S)
        except (ProgramFailed, OSError) as failed:
            await self.stop(id)
            why = failed.why if isinstance(failed, ProgramFailed) else str(failed.strerror)
            raise DriverError(f"{PROGRAM} failed", why) from failed
        if user is not None:
            # Who may have been taken over by what it reads does not tell us whom to end.
            pids = await in_thread(_of_user, user)
            self.pidfile(id).write_text(str(min(pids, default=0)))
        (folder / "said").write_bytes(said)

    async def stop(self, id: str) -> None:
        """It does not run; its folder stays."""
        pid, user = self._pid(id), self.user(id)
        if pid is not None:
            await _end(pid)
        for stray in await in_thread(_of_user, user) if user is not None else ():
            await _end(stray)
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
            pid = int(self.pidfile(id).read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            owner = os.stat(f"/proc/{pid}").st_uid
        except (OSError, ValueError):
            return None
        if str(self.pidfile(id)).encode() in words:
            return pid
        # Of one that has ended, and whom nobody has buried yet, there are no words.
        return pid if self._jailed and owner == self.user(id) and any(words) else None


@contextlib.asynccontextmanager
async def _handed(folder: Path, file: str | None, user: int | None) -> AsyncIterator[Handed]:
    """What the daemon may open: by their names, or, as another user, by descriptors that it inherits."""
    if user is None or file is None:
        yield Handed(file or "", str(folder))
        return
    # Names of devices are links that the system makes.
    path = await in_thread(Path(file).resolve) if file.startswith("/dev/") else Path(file)
    async with lent(path) as them:
        keys = os.open(folder / "keys", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield Handed(them.names[0], f"/dev/fd/{keys}", (*them.descriptors, keys), them.groups)
        finally:
            os.close(keys)


def _furnish(folder: Path, keys: Mapping[str, str], user: int | None) -> None:
    """The folder is ours alone, and has an empty file to mount on, and the keys, in a folder of the user's if there is one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("pid", "said", KEYS):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "keys", ignore_errors=True)
    within = folder
    if user is not None:
        within = folder / "keys"
        within.mkdir(mode=0o500)
        os.chown(within, user, user)
    handle = os.open(within / KEYS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.writelines(f"{name}:{key}\n" for name, key in keys.items())
        if user is not None:
            os.fchmod(out.fileno(), 0o400)
            os.fchown(out.fileno(), user, user)
    (folder / "disk").touch(mode=0o600)


def _of_user(user: int) -> list[int]:
    """The processes of a user that no person is."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has just ended
                lines = Path(f"/proc/{entry.name}/status").read_text().splitlines()
                told = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
                if told["State"][0] not in "ZX" and str(user) in told["Uid"].split("\t"):
                    found.append(int(entry.name))
    return found


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

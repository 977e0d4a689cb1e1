"""QEMU processes: start one that outlives us, find it again, see it end, end it.

A process is known by its pid and the moment it was born, for a pid alone may have passed to a stranger; one that was
never written down, by its working directory and the id it was called with. Ends are seen through pidfds, not by polling.
"""

import asyncio
import errno
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from pileus.compute.drivers.interface import DriverError

LOG_LIMIT = 256 * 1024
ADOPTED = "QEMU ended; how, only the process that started it was told, which is gone"
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    # One arena instead of eight a processor: QEMU's threads allocate little, and each arena keeps what it once had.
    "MALLOC_ARENA_MAX": "1",
}


class Process:
    """A QEMU that runs, or just ended; `expected` if we mean it to."""

    def __init__(self, pid: int, born: int, child: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self.born = born
        self.expected = False
        self.ended = asyncio.Event()
        self.cause: str | None = None
        self._child = child
        self._fd = os.pidfd_open(pid)

    def watch(self, ended: Callable[[], None]) -> None:
        """`ended` is called once, soon after the process ended."""
        loop = asyncio.get_running_loop()

        def gone() -> None:
            loop.remove_reader(self._fd)
            self._learn_cause()
            self.ended.set()
            ended()

        loop.add_reader(self._fd, gone)

    def send(self, word: signal.Signals) -> None:
        """The process was sent the signal, if it still runs."""
        try:
            signal.pidfd_send_signal(self._fd, word)
        except ProcessLookupError:
            return

    def let_go(self) -> None:
        """Watch no longer; the process goes on."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        if self._child is not None and self._child.returncode is None:
            # Popen complains when dropped while its child runs; this one is meant to.
            self._child.returncode = 0

    def _learn_cause(self) -> None:
        if self._child is None:
            self.cause = ADOPTED
            return
        code = self._child.poll()
        if code is not None and code < 0:
            self.cause = f"killed by signal {-code} ({signal.Signals(-code).name})"
        elif code:
            self.cause = f"exit code {code}"


def start(argv: Sequence[str], cwd: Path, fds: Sequence[int], log: Path) -> Process:
    """QEMU runs, in a session of its own, and holds none of our files but `fds`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if _size(log) > LOG_LIMIT else 0)
    output = os.open(log, flags, 0o600)
    try:
        child = subprocess.Popen(
            argv,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=fds,
            env=ENVIRONMENT,
            start_new_session=True,
        )
    except OSError as failed:
        raise DriverError("QEMU cannot be started", f"{argv[0]}: {failed.strerror}") from failed
    finally:
        os.close(output)
    return Process(child.pid, _birth(child.pid) or 0, child)


def find(id: str, pid: int | None, born: int | None, cwd: Path) -> Process | None:
    """The process remembered, if it still runs or is about to end; else any QEMU of that server in its directory."""
    if pid is not None and _birth(pid) == born:
        return _adopt(pid)
    # For a controller that died between starting QEMU and writing down that it did.
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _is_server(int(entry), id, cwd):
            return _adopt(int(entry))
    return None


def _adopt(pid: int) -> Process | None:
    born = _birth(pid)
    try:
        return Process(pid, born, None) if born is not None else None
    except ProcessLookupError:
        return None


def _is_server(pid: int, id: str, cwd: Path) -> bool:
    try:
        # Compared as files, for the state directory may be reached through links. Where it is, the kernel tells; what
        # it was called with parts QEMU from a qemu-img that works on the server's disk.
        if not os.path.samefile(f"/proc/{pid}/cwd", cwd):
            return False
        return id.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _birth(pid: int) -> int | None:
    """When the process began, in clock ticks since boot; None if there is none.

    Zombies count: while threads of theirs are still ending, the disk is still locked, and only a pidfd tells when the
    last is gone.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat[stat.rindex(")") + 2 :].split()[19])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def boot_id() -> str:
    """Differs each time the machine is started."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def listen(path: Path, uid: int | None = None) -> socket.socket:
    """A listening unix socket at `path`, however long that is; the user's if one is given."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        # Before it has a name: a name could have been put in its place by whoever owns the directory.
        os.fchmod(listener.fileno(), 0o600)
        with _Directory(path.parent) as directory:
            listener.bind(f"{directory}/{path.name}")
        if uid is not None:
            os.chown(path, uid, uid, follow_symlinks=False)
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener


def dial(path: Path, uid: int | None = None) -> socket.socket:
    """A connection to the unix socket at `path`; with `uid`, only if a process of that user made the socket."""
    # Who controls the directory could put a link to someone else's socket there, and have us talk to that.
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    try:
        with _Directory(path.parent) as directory:
            connection.connect(f"{directory}/{path.name}")
        if uid is not None and _peer_uid(connection) != uid:
            raise PermissionError(errno.EPERM, "the socket is not QEMU's", str(path))
    except OSError:
        connection.close()
        raise
    return connection


def _peer_uid(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], "little")


class _Directory:
    """A short name for a directory, good while the block lasts: unix addresses hold 107 bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def __enter__(self) -> str:
        self._fd = os.open(self._path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

"""Where a server lives on its host, and what is remembered of it there.

    servers/<id>/            root's: wanted.json, run.json, qemu.log, the sockets of monitor and serial console
    servers/<id>/guest/      the server's own user's: disks, console.log, vnc.sock

Nothing under guest/ is trusted: a guest that broke out of QEMU owns those files. So they are opened without following
links, and what decides about processes is written where only we write.
"""

import datetime as dt
import os
import shutil
from pathlib import Path
from typing import TypeVar

import msgspec

from pileus.compute.drivers.interface import DiskError, Restarts, Wanted
from pileus.kit.jail import uid_of


class Ended(msgspec.Struct, frozen=True):
    """How a server last ended, other than as its owner asked."""

    reason: str
    crashed: bool


class Left(msgspec.Struct, frozen=True):
    """How a departure went: it has failed, or all of the server was sent, or it is under way."""

    id: str
    failed: str | None = None
    sent: bool = False


class Run(msgspec.Struct, frozen=True):
    """What must be known of a server after we were restarted.

    `ran`: power on was once fulfilled, so a server that is off has ended by itself. `stop_by`: the guest was asked to
    power off, and is made to at that moment (seconds since the epoch). `ending`: we are ending it, so that an end nobody
    watched, because we were killed meanwhile, is no crash.
    """

    done: Restarts = Restarts()
    ran: bool = False
    pid: int | None = None
    born: int | None = None
    boot_id: str = ""
    started_at: dt.datetime | None = None
    stop_by: float | None = None
    ended: Ended | None = None
    ending: bool = False
    disks_ready: bool = False
    shape: str = ""  # of what runs, or will: see Wanted.shape
    saved: bool = False  # its memory is in the file, from which it goes on
    checkpoint: str | None = None  # what the disks are remembered under
    cards: dict[str, int] | None = (
        None  # the slot of each port's card; None: an earlier release did not write that down
    )
    changing: dict[str, int] = {}  # and of those that are on their way in or out of a server that runs
    volumes: dict[str, int] = {}  # the slot of each volume's disk, by its key
    volumes_changing: dict[str, int] = {}
    volume_sizes: dict[str, int] = {}  # GiB, as the guest sees them
    swaps: dict[str, str] = {}  # which volume takes whose place
    others: tuple[str, ...] = ()  # those that stand on the other nodes of their slot: see `blocks.Chain`
    machine: str = ""  # in QEMU's own word; one that moves stays what it is
    departure: Left | None = None
    arrival: str | None = None  # what it was started for, if it waits for a server that comes
    disk_errors: dict[str, DiskError] = {}  # since it was started, by disk and operation


class Home:
    """One server's directory."""

    def __init__(self, servers: Path, id: str) -> None:
        self.id = id
        self.path = servers / id
        self.guest = self.path / "guest"
        self.monitor = self.path / "monitor.sock"
        self.serial = self.path / "serial.sock"
        self.agent = self.path / "agent.sock"
        self.log = self.path / "qemu.log"
        self.memory = self.path / "memory"
        self.uid = uid_of(id) if os.geteuid() == 0 else None

    def ensure(self) -> None:
        """The directories are there, the inner one the server's user's."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.guest.mkdir(mode=0o700, exist_ok=True)
        if self.uid is not None:
            os.chown(self.guest, self.uid, self.uid, follow_symlinks=False)

    def remove(self) -> None:
        """Nothing is left; last of all the directory, so that a half removed server is still listed."""
        if self.path.exists():
            shutil.rmtree(self.path)

    def wanted(self) -> Wanted | None:
        """What was last wanted, if anything ever was."""
        return _read(self.path / "wanted.json", Wanted)

    def keep_wanted(self, server: Wanted) -> None:
        """Remember what is wanted."""
        _write(self.path / "wanted.json", server)

    def run(self) -> Run:
        """What is remembered."""
        return _read(self.path / "run.json", Run) or Run()

    def keep_run(self, run: Run) -> None:
        """Remember this instead."""
        _write(self.path / "run.json", run)

    def remember(self, **changes: object) -> None:
        """Remember this besides."""
        self.keep_run(msgspec.structs.replace(self.run(), **changes))


T = TypeVar("T")


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None


def _write(path: Path, value: msgspec.Struct) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(msgspec.json.encode(value))
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)

"""The state directory: everything one cloud keeps, and which process has it now.

    config.toml clouds.yaml credentials.json pileus.sqlite keys/ images/ cache/ servers/ ovn/ run/ log/

Two clouds with different state directories share nothing. Whoever runs the cloud holds a lock on run/lock, so a second
one refuses, whatever became of the first.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

import msgspec

from pileus.kit.errors import Conflict

SECRET = 0o700


class AlreadyRunning(Conflict):
    """A cloud runs on {state} already, as process {pid}."""


class Credentials(msgspec.Struct):
    """Who may log in at first: passwords by user name; and what the cloud was set up with."""

    region: str = "RegionOne"
    passwords: dict[str, str] = {}


class State:
    """Paths in one state directory."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @property
    def key(self) -> str:
        """Eight hex digits that tell this cloud from others on the machine."""
        return hashlib.sha256(str(self.path).encode()).hexdigest()[:8]

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def database(self) -> Path:
        return self.path / "pileus.sqlite"

    @property
    def pid_file(self) -> Path:
        return self.path / "run" / "pileus.pid"

    @property
    def log(self) -> Path:
        return self.path / "log" / "pileus.log"

    def create(self) -> None:
        """The directory and what every part expects in it are there."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o755)
        for name in ("run", "log", "keys", "images", "cache", "servers"):
            (self.path / name).mkdir(exist_ok=True, mode=SECRET if name in {"keys", "images"} else 0o755)

    def exists(self) -> bool:
        """Whether a cloud was ever made here."""
        return (self.path / "run").is_dir()

    def lock(self) -> IO[str]:
        """Hold the cloud; raises AlreadyRunning. The lock ends with the process, however that ends."""
        held = (self.path / "run" / "lock").open("a+")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.close()
            raise AlreadyRunning(state=self.path, pid=self.pid() or "unknown") from None
        write_whole(self.pid_file, str(os.getpid()))
        return held

    def pid(self) -> int | None:
        """The process that runs the cloud, if one does."""
        try:
            probe = (self.path / "run" / "lock").open("a+")
        except FileNotFoundError:
            return None
        with probe:
            try:
                fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(self.pid_file.read_text() or 0) or None
        return None

    @contextlib.contextmanager
    def coming_up(self, say: Callable[[str], None]) -> Iterator[None]:
        """In the block nobody else brings the cloud up: whoever does is waited for, since each would make passwords."""
        with (self.path / "run" / "up").open("a+") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another `pileus up` is bringing this cloud up: waiting for it")
                fcntl.flock(held, fcntl.LOCK_EX)
            yield

    def credentials(self) -> Credentials:
        """What is known of the first users; empty before the first start."""
        try:
            return msgspec.json.decode((self.path / "credentials.json").read_bytes(), type=Credentials)
        except FileNotFoundError:
            return Credentials()

    def keep(self, credentials: Credentials) -> None:
        """Store the credentials so that only the owner reads them."""
        write_whole(self.path / "credentials.json", msgspec.json.encode(credentials).decode(), mode=0o600)


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file's content: after a power cut the old one or the new one is there, whole."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def guest_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Where this machine keeps the built-in guest: made once, for all its clouds."""
    if os.geteuid() == 0:
        return Path("/var/cache/pileus/guest")
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pileus" / "guest"


def default_state(environment: Mapping[str, str] = os.environ) -> Path:
    """Where a cloud lives unless told otherwise: /var/lib/pileus for root, else the user's data directory."""
    if environment.get("PILEUS_STATE"):
        return Path(environment["PILEUS_STATE"])
    if os.geteuid() == 0:
        return Path("/var/lib/pileus")
    return Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "pileus"

"""A control group for each server, where this machine lets us make some.

Groups weigh servers against each other by their processors and keep a server that forks to a bound; they live below
our own group, so whoever limits us limits them. All of it is best effort: a host without it runs servers as well.
"""

import contextlib
from pathlib import Path

from pileus.kit.observe.log import log_of

log = log_of(__name__)

ROOT = Path("/sys/fs/cgroup")
# QEMU's threads: one a processor, and workers for its disks and displays.
THREADS = 512


class Groups:
    """Makes and removes groups; `name` tells this cloud's from another's on the same machine."""

    def __init__(self, name: str, root: Path = ROOT, own: Path = Path("/proc/self/cgroup")) -> None:
        self._name = name
        self._root = root
        self._homes = _homes(root, own)

    def place(self, id: str, pid: int, vcpus: int) -> bool:
        """The process is in the server's own groups; False where there are none to be had."""
        placed = False
        for home in self._homes:
            group = home / self._name / id
            try:
                group.mkdir(parents=True, exist_ok=True)
                _limit(group, vcpus)
                (group / "cgroup.procs").write_text(str(pid))
                placed = True
            except OSError as failed:
                log.debug("no control group", server=id, group=str(group), why=str(failed))
        return placed

    def remove(self, id: str) -> None:
        """The server has no groups; its processes must be gone."""
        here = [group for home in self._homes if (group := home / self._name / id).exists()]
        # Whoever placed the server may have been started elsewhere, from another login say, and had another home.
        for group in here or self._root.glob(f"**/{self._name}/{id}"):
            try:
                group.rmdir()
            except OSError as failed:
                log.warning("a control group stays", server=id, why=str(failed))
            with contextlib.suppress(OSError):
                # Ours to remove with the last server; not while others, or another cloud's, are in it.
                group.parent.rmdir()


def _limit(group: Path, vcpus: int) -> None:
    for file, value in (("cpu.weight", 100 * vcpus), ("cpu.shares", 1024 * vcpus), ("pids.max", THREADS + vcpus)):
        # Only the files of the controllers that are on here exist.
        if (group / file).exists():
            (group / file).write_text(str(min(value, 10_000) if file == "cpu.weight" else value))


def _homes(root: Path, own: Path) -> list[Path]:
    """Our own groups: the one of version 2, or those of the version 1 controllers that we use."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    where = {controllers: path.lstrip("/") for _, controllers, path in (line.split(":", 2) for line in lines)}
    if (root / "cgroup.controllers").exists():
        return [root / where.get("", "")]
    first_version = [root / name / where[name] for name in ("cpu", "pids", "memory") if name in where]
    return [home for home in first_version if (home / "cgroup.procs").exists()]

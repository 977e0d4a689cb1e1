"""What is left of a cloud on this machine: every process, namespace, link, rule, group and file that bears its name."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from pileus.main.state import State

NAMESPACES = Path("/run/netns")
LINKS = Path("/sys/class/net")
GROUPS = Path("/sys/fs/cgroup")


def servers_of(path: Path) -> list[str]:
    """The ids of the servers that have a directory."""
    folder = path / "servers"
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []


def left_of(state: State, servers: Iterable[str] = ()) -> list[str]:
    """A line for each thing that is still there."""
    found = [f"process {pid}: {line}" for pid, line in processes_of(state.path)]
    found += [f"namespace {name}" for name in _named(NAMESPACES, state.key)]
    found += [f"link {name}" for name in _named(LINKS, state.key)]
    found += [f"table {line}" for line in _tables() if state.key in line]
    found += [f"group {group}" for group in groups_of(servers)]
    found += [f"short path {name}" for name in _named(Path("/run/pileus"), state.key)]
    found += [f"directory {state.path}"] if state.path.exists() else []
    return found


def processes_of(path: Path) -> list[tuple[int, str]]:
    """Processes that were started for a cloud or work in its directory, whoever started them."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            place = os.readlink(entry / "cwd")
        except OSError:
            continue
        if _is_in(path, place) or f"{path}/" in f"{line} ".replace(" ", "/ "):
            found.append((int(entry.name), line))
    return found


def groups_of(servers: Iterable[str]) -> Iterator[Path]:
    """The control groups of servers."""
    for id in servers:
        yield from (Path(folder) for folder, _, _ in os.walk(GROUPS) if folder.endswith(f"/pileus/{id}"))


def namespaces_of(state: State) -> list[str]:
    """The network namespaces of a cloud."""
    return _named(NAMESPACES, state.key)


def _is_in(path: Path, place: str) -> bool:
    return place == str(path) or place.startswith(f"{path}/")


def _named(folder: Path, part: str) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if part in entry.name) if folder.is_dir() else []


def _tables() -> list[str]:
    if shutil.which("nft") is None or os.geteuid() != 0:
        return []
    return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False).stdout.splitlines()

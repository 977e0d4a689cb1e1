"""What real clouds that are judged keep their things on: a file system in a file, and on it volumes both hosts reach.

Servers are made on either host whatever volumes they are to have, so the back ends of volumes are directories that
hosts share. The file system copies by reference, as snapshots of attached volumes in such a directory need it.
"""

import contextlib
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pileus.main import packages
from pileus.main.settings import remember_only
from pileus.main.state import State

NEEDED = (packages.Program("xfsprogs", "mkfs.xfs"),)
ROOM = 100 << 30  # bytes for what real servers have; what is not written takes none
MARK = ".pileus-volumes"


@contextlib.contextmanager
def copying(home: Path) -> Iterator[None]:
    """The folder is on a file system that copies by reference."""
    file = home.with_suffix(".xfs")
    with file.open("wb") as sparse:
        sparse.truncate(ROOM)
    try:
        subprocess.run(["mkfs.xfs", "-q", str(file)], check=True)
        subprocess.run(["mount", "-o", "loop", str(file), str(home)], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", str(home)], check=True)
    finally:
        file.unlink()


def sharing(gate: Path, shared: Path, first: Path, second: Path) -> Path:
    """Configuration like that of the gate whose back ends of volumes are directories; the second host has these too."""
    names = tomllib.loads(gate.read_text())["volume_backends"]
    backends: dict[str, object] = {}
    for name in names:
        folder = shared / name
        folder.mkdir(parents=True)
        (folder / MARK).touch()  # it is no mount point, and shall serve as it is
        backends |= {f"volume_backends.{name}.driver": "shared", f"volume_backends.{name}.path": str(folder)}
    for each in (first, second):
        each.mkdir(parents=True)
    shutil.copy(gate, first / "config.toml")
    for each in (first, second):
        remember_only(State(each), backends)
    return first / "config.toml"

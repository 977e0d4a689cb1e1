"""The guest's file system: busybox and its names, the SSH server with its libraries, drivers, and our scripts.

It is one compressed archive that the kernel unpacks into memory and never leaves; /data alone is on a disk.
"""

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path

from pileus.guest import cpio, modules
from pileus.kit.run import run

OURS = Path(__file__).parent / "rootfs"
FOLDERS = (
    "bin",
    "data",
    "dev",
    "etc",
    "lib",
    "lib/modules",
    "lib64",
    "mnt",
    "proc",
    "run",
    "sys",
    "usr",
    "var",
    "var/log",
)
PRIVATE = ("root", "home/pileus")
# One folder of programs under all its usual names.
SAME_AS_BIN = ("sbin", "usr/bin", "usr/sbin")
PROGRAMS = ("usr/sbin/dropbear", "usr/bin/dropbearkey")
LIBRARIES = ("libc.so.6", "libcrypt.so.1", "libgmp.so.10", "libtomcrypt.so.1", "libtommath.so.1", "libz.so.1")
LOADER = "ld-linux-x86-64.so.2"
LIBRARY_FOLDERS = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
# Decompressing costs an emulated processor less than the firmware needs to read the difference from the disk.
COMPRESSION = 9


async def make(tree: Path, release: str) -> bytes:
    """The archive for the kernel of that release, from unpacked packages."""
    busybox = tree / "bin" / "busybox"
    names = (await run([str(busybox), "--list"])).out.split()
    wanted = (OURS / "etc" / "modules").read_text().split()
    parts = [*_skeleton(), *_programs(tree, names), *own_files(), *modules.entries(tree, release, wanted)]
    return gzip.compress(cpio.archive(parts), COMPRESSION, mtime=0)


def _skeleton() -> Iterator[cpio.Entry]:
    yield from (cpio.folder(path) for path in FOLDERS)
    yield cpio.folder("home")
    yield from (cpio.folder(path, 0o700) for path in PRIVATE)
    yield cpio.folder("tmp", 0o1777)
    yield from (cpio.link(path, "/bin") for path in SAME_AS_BIN)
    yield cpio.link("init", "/bin/busybox")
    yield cpio.link("var/run", "/run")
    # The kernel opens it for the first process, before devtmpfs is there.
    yield cpio.character_device("dev/console", 5, 1)


def _programs(tree: Path, names: Iterable[str]) -> Iterator[cpio.Entry]:
    # Setuid, for su; busybox itself drops the right for all other names.
    yield cpio.file("bin/busybox", (tree / "bin" / "busybox").read_bytes(), 0o4755)
    yield from (cpio.link(f"bin/{name}", "busybox") for name in sorted(set(names) - {"busybox"}))
    for program in PROGRAMS:
        yield cpio.file(f"bin/{Path(program).name}", (tree / program).read_bytes(), 0o755)
    for library in LIBRARIES:
        yield cpio.file(f"lib/{library}", _library(tree, library).read_bytes(), 0o755)
    yield cpio.file(f"lib64/{LOADER}", _library(tree, LOADER).read_bytes(), 0o755)


def _library(tree: Path, name: str) -> Path:
    for folder in LIBRARY_FOLDERS:
        # Links between the packages' files are relative to their own folder; only the loader's own is absolute.
        path = tree / folder / name
        if path.exists():
            return path
    raise FileNotFoundError(name)


def own_files() -> Iterator[cpio.Entry]:
    """Our scripts and settings, with the rights they need."""
    for path in sorted(OURS.rglob("*")):
        inside = path.relative_to(OURS).as_posix()
        if path.is_dir():
            if inside not in FOLDERS:
                yield cpio.folder(inside)
        else:
            yield cpio.file(inside, path.read_bytes(), _permissions(inside))


def _permissions(inside: str) -> int:
    """By place, since an installed package does not keep its files' modes."""
    if inside == "etc/shadow":
        return 0o600
    return 0o755 if inside.startswith(("bin/", "usr/lib/guest/", "www/cgi-bin/", "etc/acpi/")) else 0o644

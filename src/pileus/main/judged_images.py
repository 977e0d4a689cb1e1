"""Images that Tempest uploads, or has the cloud fetch: a small one of each format, and some that no host may ever open."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

TOOL_NAMES = {"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}
# Each names a file besides itself: the one below it, or the one that its bytes are in.
HOSTILE = {
    "backed.qcow2": ("-f", "qcow2", "-b", "usable.raw", "-F", "raw"),
    "elsewhere.qcow2": ("-f", "qcow2", "-o", "data_file=elsewhere.bytes,data_file_raw=on"),
    "backed.vmdk": ("-f", "vmdk", "-b", "usable.vmdk", "-F", "vmdk"),
    "flat.vmdk": ("-f", "vmdk", "-o", "subformat=monolithicFlat"),
    "pieces.vmdk": ("-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"),
    "backed.qed": ("-f", "qed", "-b", "usable.raw", "-F", "raw"),
}


class Listed(msgspec.Struct, frozen=True):
    """An image, as Tempest's list of them has it."""

    name: str
    format: str
    filename: str
    usable: bool


@contextlib.contextmanager
def served_images(folder: Path, *, hostile: bool) -> Iterator[str]:
    """A web server has images that the cloud may be told to fetch; its address. Beside them are those for uploads, and their list."""
    from pileus.kit.http.server import free_port

    folder.mkdir(parents=True)
    (folder / "image.raw").write_bytes(os.urandom(1 << 16))
    _make(folder, "image.qcow2", "-f", "qcow2")
    listed = _usable(folder) + (_hostile(folder) if hostile else [])
    (folder / "manifest.yml").write_bytes(msgspec.json.encode({"images": listed}))
    port = str(free_port())
    argv = [sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _usable(folder: Path) -> list[Listed]:
    """One of each format that is told by its bytes."""
    (folder / "usable.raw").write_bytes(os.urandom(1 << 16))
    (folder / "usable.iso").write_bytes(bytes(1 << 15) + b"\1CD001\1".ljust(1 << 12, b"\0"))
    for format, tool_name in TOOL_NAMES.items():
        _make(folder, f"usable.{format}", "-f", tool_name)
    files = sorted(folder.glob("usable.*"))
    return [Listed(file.suffix[1:], file.suffix[1:], file.name, usable=True) for file in files]


def _hostile(folder: Path) -> list[Listed]:
    for name, how in HOSTILE.items():
        _make(folder, name, *how)
    # Tempest knows no QED: it comes as what it is not.
    return [Listed(name, name.partition(".")[2].replace("qed", "qcow2"), name, usable=False) for name in HOSTILE]


def _make(folder: Path, name: str, *how: str) -> None:
    subprocess.run(["qemu-img", "create", "-q", *how, name, "1M"], cwd=folder, check=True)

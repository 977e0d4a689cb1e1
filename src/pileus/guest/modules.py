"""Kernel modules: which files a list of drivers needs, and the index by which the guest's modprobe finds them.

A module names what it depends on in its own file, so neither depmod nor a running kernel of that release is needed.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from pileus.guest import cpio


def _key(name: str) -> str:
    """A module's name as modprobe compares it: files say virtio-rng, dependencies virtio_rng."""
    return name.replace("-", "_")


def dependencies(module: bytes) -> tuple[str, ...]:
    """The names of the modules that must be loaded before this one."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return tuple(filter(None, found[1].decode().split(","))) if found else ()


def entries(tree: Path, release: str, wanted: Iterable[str]) -> list[cpio.Entry]:
    """Archive entries for the wanted modules and all they need; KeyError names one this kernel has neither as a
    module nor built in."""
    folder = tree / "lib" / "modules" / release
    files = {_key(path.name.removesuffix(".ko")): path for path in sorted(folder.rglob("*.ko"))}
    built_in = {_key(Path(line).name.removesuffix(".ko")) for line in (folder / "modules.builtin").read_text().split()}
    needs: dict[str, tuple[str, ...]] = {}
    waiting = [_key(name) for name in wanted]
    while waiting:
        name = waiting.pop()
        if name in needs or (name in built_in and name not in files):
            continue
        needs[name] = tuple(_key(other) for other in dependencies(files[name].read_bytes()))
        waiting += needs[name]
    home = f"lib/modules/{release}"
    index = "".join(f"{files[name].name}: {' '.join(_chain(name, needs, files))}\n" for name in sorted(needs))
    return [
        cpio.folder(home),
        cpio.file(f"{home}/modules.dep", index.encode()),
        *(cpio.file(f"{home}/{files[name].name}", files[name].read_bytes()) for name in sorted(needs)),
    ]


def _chain(name: str, needs: dict[str, tuple[str, ...]], files: dict[str, Path]) -> list[str]:
    """All that `name` needs, nearest first, as modules.dep lists it: the last is loaded first."""
    ordered: list[str] = []

    def visit(module: str) -> None:
        for other in needs[module]:
            if other in needs:
                visit(other)
        if module not in ordered:
            ordered.append(module)

    visit(name)
    return [files[module].name for module in reversed(ordered[:-1])]

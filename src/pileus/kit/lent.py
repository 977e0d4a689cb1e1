"""Files of ours that a jailed program works on: it may open these, and no others.

What a guest's QEMU wrote is a stranger's even in a file of ours, so the program that parses it runs as nobody. The folders above are
root's alone; the program gets a descriptor of each file and opens it anew by that (`/dev/fd/N`), as a member of the file's own
group, in which nobody else ever is. Its messages name no path of this host.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from pileus.kit.jail import jail_of, uid_of


class Lent(msgspec.Struct, frozen=True):
    """What the program is told of the files, in their order and the secret last, and what it is started with."""

    names: tuple[str, ...]
    descriptors: tuple[int, ...]
    of: str
    groups: tuple[int, ...]

    def around(self, argv: list[str]) -> list[str]:
        """The command that runs `argv` as who may open the files."""
        return jail_of(self.of).around(argv, self.groups)


@contextlib.asynccontextmanager
async def lent(*files: Path, secret: bytes | None = None, to_read: int = 0) -> AsyncIterator[Lent]:
    """The files, which have to be there, for one program, the first so many only to be read; the secret lies in memory alone.
    Raises OSError."""
    with contextlib.ExitStack() as stack:
        opened = []
        for at, file in enumerate(files):
            opened.append(await asyncio.to_thread(_opened, file, 0o640 if at < to_read else 0o660))
            stack.callback(os.close, opened[-1])
        if secret is not None:
            opened.append(os.memfd_create("secret", os.MFD_CLOEXEC))
            stack.callback(os.close, opened[-1])
            os.write(opened[-1], secret)
        names = tuple(f"/dev/fd/{descriptor}" for descriptor in opened)
        yield Lent(names, tuple(opened), str(files[0]), tuple(uid_of(str(file)) for file in files))


def _opened(file: Path, mode: int) -> int:
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, -1, uid_of(str(file)))
            os.fchmod(descriptor, mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor

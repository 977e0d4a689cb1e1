"""What servers print on their serial console, kept within bounds.

QEMU appends to console.log for as long as it runs. The end is what anyone reads, so the blocks before it are given
back to the file system while QEMU goes on writing: a hole at the front moves no byte and loses none.
"""

import os
from pathlib import Path

from pileus.kit.run import run

READ_LIMIT = 100 * 1024
KEEP_LIMIT = 1024 * 1024
BLOCK = 4096


def tail(log: Path, lines: int | None) -> str:
    """The end of the log, or its last `lines` lines."""
    try:
        # The guest's user owns the directory: a link there would have us read what he may not.
        fd = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return ""
    with os.fdopen(fd, "rb") as file:
        file.seek(max(0, os.fstat(fd).st_size - READ_LIMIT))
        text = file.read(READ_LIMIT).decode(errors="replace")
    if lines is None:
        return text
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines > 0 else ""


async def trim(log: Path) -> None:
    """The log takes little more room than what is ever read of it."""
    try:
        status = log.lstat()
    except FileNotFoundError:
        return
    if status.st_blocks * 512 <= KEEP_LIMIT:
        return
    hole = (status.st_size - READ_LIMIT) // BLOCK * BLOCK
    await run(["fallocate", "--punch-hole", "--offset", "0", "--length", str(hole), log.name], cwd=log.parent)

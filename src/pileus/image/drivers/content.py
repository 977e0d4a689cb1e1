"""Looking at the bytes of an image as they pass: their hashes, their format, and whether they are safe.

What is not what it claims to be, or refers to other files, is told apart here and never becomes active.
"""

import asyncio
import hashlib
from collections.abc import Awaitable

from pileus.image.models.images import Findings
from pileus.kit.disk_formats import Judge


async def at_once(*works: Awaitable[None]) -> None:
    """All of it is done, side by side; raises what the first of them raised, when all have ended."""
    for ended in await asyncio.gather(*works, return_exceptions=True):
        if ended is not None:
            raise ended


class Content:
    """Hashes and inspects bytes; `feed` and `finish` do the work in a thread."""

    def __init__(self, disk_format: str | None, *, inspect: bool) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha512 = hashlib.sha512()
        self._judge = Judge(disk_format) if inspect else None
        self.size = 0

    async def feed(self, chunk: bytes) -> None:
        """The chunk has been looked at; raises Mismatch as soon as that is certain. The hashes are made side by side."""
        self.size += len(chunk)
        await at_once(asyncio.to_thread(self._sha512.update, chunk), asyncio.to_thread(self._feed, chunk))

    def _feed(self, chunk: bytes) -> None:
        self._md5.update(chunk)
        if self._judge is not None:
            self._judge.feed(chunk)

    async def finish(self) -> Findings:
        """What the bytes are; raises Mismatch or Unsafe."""
        return await asyncio.to_thread(self._finish)

    def _finish(self) -> Findings:
        virtual_size = self._judge.size(self.size) if self._judge is not None else None
        return Findings(self.size, virtual_size, self._md5.hexdigest(), self._sha512.hexdigest())

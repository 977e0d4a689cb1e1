"""Looking at the bytes of an image as they pass: their hashes, their format, and whether they are safe.

What is not what it claims to be, or refers to other files, is told apart here and never becomes active.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence

from pileus.image.models.images import Findings
from pileus.kit.disk_formats import Judge


class Content:
    """Hashes and inspects bytes."""

    def __init__(self, disk_format: str | None, *, inspect: bool) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha512 = hashlib.sha512()
        self._judge = Judge(disk_format) if inspect else None
        self.looks = (
            self._hash,
            self._look,
        )  # on the same bytes, in the same order; each may be in a thread of its own

    def _hash(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self._sha512.update(piece)

    def _look(self, pieces: Sequence[bytes]) -> None:
        """These are next; raises Mismatch as soon as that is certain."""
        for piece in pieces:
            self._md5.update(piece)
            if self._judge is not None:
                self._judge.feed(piece)

    async def finish(self, size: int) -> Findings:
        """What the bytes, so many, are; raises Mismatch or Unsafe."""
        return await asyncio.to_thread(self._finish, size)

    def _finish(self, size: int) -> Findings:
        virtual_size = self._judge.size(size) if self._judge is not None else None
        return Findings(size, virtual_size, self._md5.hexdigest(), self._sha512.hexdigest())


async def look_at(content: Content, chunks: AsyncIterator[bytes]) -> Findings:
    """What the bytes are; raises Mismatch or Unsafe."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        looks = (asyncio.to_thread(look, (chunk,)) for look in content.looks)
        for ended in await asyncio.gather(*looks, return_exceptions=True):
            if ended is not None:
                raise ended
    return await content.finish(size)

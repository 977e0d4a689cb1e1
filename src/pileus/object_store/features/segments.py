"""Objects made of others: the pieces in their order, of which any part can be read as if they were one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec

from pileus.object_store.errors import StorageProblem
from pileus.object_store.proxy.asks import Answer, Content


class Piece(msgspec.Struct, frozen=True):
    """Part of a large object: how long it is, and how it is opened, or its bytes."""

    size: int
    open: Callable[[], Awaitable[Content]] | None = None
    bytes: bytes = b""


class Composite:
    """Pieces read one after the other; each is opened when its turn comes. The first may be open already."""

    def __init__(self, pieces: Sequence[Piece], first: Content | None = None) -> None:
        self._pieces = pieces
        self._first = first
        self.size = sum(piece.size for piece in pieces)

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The bytes from there; raises when a piece is not what it was."""
        at = 0
        for number, piece in enumerate(self._pieces):
            low, high = max(start, at), min(start + length, at + piece.size)
            if low < high:
                async for chunk in self._piece(number, piece, low - at, high - low):
                    yield chunk
            at += piece.size

    async def _piece(self, number: int, piece: Piece, start: int, length: int) -> AsyncIterator[bytes]:
        if piece.open is None:
            yield piece.bytes[start : start + length]
            return
        first = self._first if number == 0 else None
        if first is not None:
            self._first = None
        content = first or await piece.open()
        got = 0
        try:
            async for chunk in content.read(start, length):
                got += len(chunk)
                yield chunk
        finally:
            await content.close()
        if got != length:
            raise StorageProblem("A piece of a large object is shorter than its manifest says.")

    async def close(self) -> None:
        """It is not read any more."""
        if self._first is not None:
            await self._first.close()


def content_of(answer: Answer) -> Content:
    """The bytes of an answer, whatever form they have."""
    return AtHand(answer.body) if isinstance(answer.body, bytes) else answer.body


class AtHand:
    """Bytes in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The bytes from there."""
        yield self._content[start : start + length]

    async def close(self) -> None:
        """Nothing is open."""

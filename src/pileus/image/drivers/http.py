"""Image bytes that others serve over HTTP: read from where they are, never written."""

from collections.abc import AsyncIterator, Callable

from pileus.image.config import WebConfig
from pileus.image.drivers.interface import Unreadable
from pileus.image.drivers.web import FetchFailed, NotAllowed, fetched


class HttpSource:
    """Addresses as files."""

    def __init__(self, rules: WebConfig) -> None:
        self._rules = rules

    async def read(
        self, name: str, start: int, length: int | None = None, told: Callable[[int], None] | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes from `start`; a server that knows no ranges sends all, and what was not asked for is skipped."""
        headers = {} if start == 0 and length is None else {"range": f"bytes={start}-{_end(start, length)}"}
        try:
            async with fetched(name, self._rules, headers) as answer:
                if told is not None and (size := answer.headers.get("content-length", "")).isdigit():
                    told(int(size))
                skip = start if answer.status == 200 else 0
                left = length
                async for chunk in answer.body():
                    piece = chunk[skip:] if left is None else chunk[skip : skip + left]
                    skip = max(skip - len(chunk), 0)
                    left = None if left is None else left - len(piece)
                    if piece:
                        yield piece
                    if left == 0:
                        return
        except (NotAllowed, FetchFailed) as failed:
            raise Unreadable(str(failed)) from failed
        if left:
            raise Unreadable(f"{left} bytes are missing at the end")

    async def exists(self, name: str) -> bool:
        """Whether the server answers for it."""
        try:
            async with fetched(name, self._rules, {"range": "bytes=0-0"}):
                return True
        except (NotAllowed, FetchFailed):
            return False

    async def size(self, name: str) -> int:
        """How many bytes there are; raises Unreadable, also if the server does not tell."""
        try:
            async with fetched(name, self._rules) as answer:
                length = answer.headers.get("content-length", "")
        except (NotAllowed, FetchFailed) as failed:
            raise Unreadable(str(failed)) from failed
        if not length.isdigit():
            raise Unreadable("the server does not tell how many bytes there are")
        return int(length)

    def url(self, name: str) -> str:
        """The address itself."""
        return name


def _end(start: int, length: int | None) -> str:
    return "" if length is None else str(start + length - 1)

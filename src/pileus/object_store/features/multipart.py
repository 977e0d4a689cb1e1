"""Reading multipart/form-data as it comes: fields first, then files, none of them held whole."""

from collections.abc import AsyncIterator

MOST_HEAD = 65_536


class BadForm(ValueError):
    """The form cannot be read."""


class Form:
    """The parts of a form, one after the other; a part's bytes are read before the next part is asked for."""

    def __init__(self, chunks: AsyncIterator[bytes], boundary: str) -> None:
        self._chunks = chunks
        self._mark = b"\r\n--" + boundary.encode("latin-1")
        self._held = b"\r\n"  # so that the first boundary looks like the others
        self._ended = False

    async def __aiter__(self) -> AsyncIterator["Part"]:
        async for _ in self._until_mark():
            pass  # what stands before the first boundary means nothing
        while await self._another():
            part = Part(await self._head(), self._until_mark())
            yield part
            async for _ in part:
                pass

    async def _fill(self, size: int) -> None:
        while len(self._held) < size and not self._ended:
            chunk = await anext(self._chunks, b"")
            self._ended = not chunk
            self._held += chunk

    async def _another(self) -> bool:
        """Whether a part follows the boundary that was just read."""
        await self._fill(2)
        end, self._held = self._held[:2], self._held[2:]
        if end == b"\r\n":
            return True
        if end == b"--":
            return False
        raise BadForm("what follows a boundary is no line")

    async def _head(self) -> dict[str, str]:
        while b"\r\n\r\n" not in self._held:
            if self._ended or len(self._held) > MOST_HEAD:
                raise BadForm("the head of a part does not end")
            await self._fill(len(self._held) + 1)
        raw, _, rest = self._held.partition(b"\r\n\r\n")
        self._held = b"\r\n" + rest if rest.startswith(self._mark[2:]) else rest
        found = {}
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, _, value = line.partition(":")
            found[name.strip().lower()] = value.strip()
        return found

    async def _until_mark(self) -> AsyncIterator[bytes]:
        """The bytes up to the next boundary, which is read over."""
        keep = len(self._mark)
        while True:
            await self._fill(keep + 1)
            before, mark, rest = self._held.partition(self._mark)
            if mark:
                self._held = rest
                if before:
                    yield before
                return
            if self._ended:
                raise BadForm("the form ends without its last boundary")
            if len(self._held) > keep:
                safe, self._held = self._held[:-keep], self._held[-keep:]
                yield safe
            else:
                await self._fill(len(self._held) + 1)


class Part:
    """A field, or a file."""

    def __init__(self, head: dict[str, str], content: AsyncIterator[bytes]) -> None:
        self.head = head
        self._content = content

    def parameter(self, name: str) -> str | None:
        """A parameter of Content-Disposition."""
        for piece in self.head.get("content-disposition", "").split(";")[1:]:
            key, sign, value = piece.strip().partition("=")
            if sign and key.lower() == name:
                return value.strip().strip('"')
        return None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._content

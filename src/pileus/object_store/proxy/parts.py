"""The last step of an answer: conditions are held against it, and the ranges asked for are cut out of it."""

import uuid
from collections.abc import AsyncIterator, Sequence

from pileus.object_store.models.conditions import unmet
from pileus.object_store.models.ranges import Range, ranges_of
from pileus.object_store.proxy.asks import Answer, Ask, Content, refusal

DROPPED_BY_304 = ("content-type", "content-length", "content-encoding", "content-language", "content-range")


class Slice:
    """Part of something."""

    def __init__(self, whole: Content, part: Range) -> None:
        self._whole = whole
        self._part = part
        self.size = part.length

    def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The bytes from there, counted from the part's beginning."""
        return self._whole.read(self._part.start + start, length)

    async def close(self) -> None:
        """It is not read any more."""
        await self._whole.close()


class Multipart:
    """Several parts of something, each with a head that says which it is (RFC 9110, 14.6)."""

    def __init__(self, whole: Content, parts: Sequence[Range], kind: str) -> None:
        self._whole = whole
        self._parts = parts
        self.boundary = uuid.uuid4().hex
        self._heads = [
            f"--{self.boundary}\r\nContent-Type: {kind}\r\nContent-Range: {part.described(whole.size)}\r\n\r\n".encode()
            for part in parts
        ]
        self._tail = f"--{self.boundary}--".encode()
        self.size = sum(len(head) + part.length + 2 for head, part in zip(self._heads, parts, strict=True))
        self.size += len(self._tail)

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """All of it: nobody asks for parts of parts."""
        for head, part in zip(self._heads, self._parts, strict=True):
            yield head
            async for chunk in self._whole.read(part.start, part.length):
                yield chunk
            yield b"\r\n"
        yield self._tail

    async def close(self) -> None:
        """It is not read any more."""
        await self._whole.close()


async def finished(ask: Ask, answer: Answer) -> Answer:
    """The answer as it is sent: what was asked for of it, or that a condition does not hold."""
    if ask.method not in {"GET", "HEAD"} or answer.status != 200 or isinstance(answer.body, bytes):
        return answer
    content = answer.body
    etags = frozenset({answer.headers.get("etag", "").strip('"'), answer.headers.get("x-match-etag", "").strip('"')})
    wrong = unmet(ask.headers, etags - {""}, answer.headers.get("last-modified", ""))
    answer.headers.pop("x-match-etag", None)
    if wrong is not None:
        await content.close()
        if wrong == 304:
            kept = {name: value for name, value in answer.headers.items() if name not in DROPPED_BY_304}
            return Answer(status=304, headers=kept)
        return refusal(412, headers={"etag": answer.headers.get("etag", "")})
    if ask.method == "HEAD" or "range" not in ask.headers or _stale(ask, answer):
        return answer
    return await _ranged(ask, answer, content)


def _stale(ask: Ask, answer: Answer) -> bool:
    """Whether If-Range says that parts of what is there now are of no use."""
    given = ask.headers.get("if-range")
    return given is not None and given.strip('"') not in {
        answer.headers.get("etag", "").strip('"'),
        answer.headers.get("last-modified", ""),
    }


async def _ranged(ask: Ask, answer: Answer, content: Content) -> Answer:
    parts = ranges_of(ask.headers["range"], content.size)
    if parts is None:
        return answer
    if not parts:
        await content.close()
        return refusal(416, headers={"content-range": f"bytes */{content.size}"})
    if len(parts) == 1:
        headers = {**answer.headers, "content-range": parts[0].described(content.size)}
        headers["content-length"] = str(parts[0].length)
        return Answer(status=206, headers=headers, body=Slice(content, parts[0]))
    body = Multipart(content, parts, answer.headers.get("content-type", "application/octet-stream"))
    headers = {
        **answer.headers,
        "content-type": f"multipart/byteranges;boundary={body.boundary}",
        "content-length": str(body.size),
    }
    return Answer(status=206, headers=headers, body=body)

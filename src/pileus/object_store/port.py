"""Object storage's promise to the other services of the cloud, kept: containers of an account that no token leads to."""

from collections.abc import AsyncIterator, Collection, Sequence

import msgspec

from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Ask, Body, Bytes, answered
from pileus.ports.objects import NoSpace, NotKept

ACCOUNT = ".cloud"
FULL = frozenset({413, 507})
PAGE = 10_000


class _Passing:
    """A body whose length nobody knows yet."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.length: int | None = None
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks


class ObjectsPort:
    """Implements pileus.ports.objects.Objects."""

    def __init__(self, app: ObjectStoreApp) -> None:
        self._pipeline = app.pipeline
        self._known: set[str] = set()

    async def put(self, container: str, name: str, chunks: AsyncIterator[bytes]) -> None:
        """The object is there, whole and durable; raises NotKept, and then it is not."""
        await self._ensure(container)
        headers = {"transfer-encoding": "chunked", "content-type": "application/octet-stream"}
        await self._done("PUT", container, name, headers=headers, body=_Passing(chunks))

    async def join(self, container: str, name: str, parts: Sequence[str]) -> None:
        """The object is the parts, one after another; raises NotKept."""
        manifest = msgspec.json.encode([{"path": f"/{container}/{part}"} for part in parts])
        headers = {"content-length": str(len(manifest)), "content-type": "application/octet-stream"}
        await self._done(
            "PUT", container, name, headers=headers, query={"multipart-manifest": "put"}, body=Bytes(manifest)
        )

    async def read(self, container: str, name: str, start: int, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from there, exactly so many unless that is None; raises NotKept."""
        answer = await self._ask("GET", container, name)
        try:
            if not answer.ok:
                raise NotKept(f"object {container}/{name} answers {answer.status}")
            if isinstance(answer.body, bytes):
                end = None if length is None else start + length
                yield answer.body[start:end]
                return
            left = max(answer.body.size - start, 0) if length is None else length
            async for chunk in answer.body.read(start, left):
                left -= len(chunk)
                yield chunk
            if left:
                raise NotKept(f"object {container}/{name} is shorter than it should be")
        finally:
            await answer.close()

    async def size(self, container: str, name: str) -> int | None:
        """How many bytes it has; None if there is no such object. Raises NotKept."""
        answer = await self._ask("HEAD", container, name)
        await answer.close()
        if answer.status == 404:
            return None
        if not answer.ok:
            raise NotKept(f"object {container}/{name} answers {answer.status}")
        return int(answer.headers["content-length"])

    async def remove(self, container: str, name: str) -> None:
        """There is no such object; parts are left alone. Raises NotKept."""
        await self._done("DELETE", container, name, also=frozenset({404}))

    async def names(self, container: str, beginning: str = "") -> Collection[str]:
        """The names of all objects that begin so; raises NotKept."""
        found: list[str] = []
        while True:
            query = {"prefix": beginning, "limit": str(PAGE), "marker": found[-1] if found else ""}
            answer = await self._ask("GET", container, None, query=query)
            listed = (await answer.bytes()).decode()
            if answer.status == 404:
                return found
            if not answer.ok:
                raise NotKept(f"container {container} answers {answer.status}")
            page = listed.splitlines()
            found += page
            if len(page) < PAGE:
                return found

    async def _ensure(self, container: str) -> None:
        if container not in self._known:
            await self._done("PUT", container, None)
            self._known.add(container)

    async def _done(
        self,
        method: str,
        container: str,
        name: str | None,
        *,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        body: Body | None = None,
        also: frozenset[int] = frozenset(),
    ) -> None:
        answer = await self._ask(method, container, name, headers=headers, query=query, body=body)
        said = (await answer.bytes()).decode(errors="replace")
        if answer.status in FULL:
            raise NoSpace(f"object storage has no room: {method} {container}/{name} answers {answer.status}")
        if not answer.ok and answer.status not in also:
            raise NotKept(f"{method} {container}/{name} answers {answer.status}: {said[:200]}")

    async def _ask(
        self,
        method: str,
        container: str,
        name: str | None,
        *,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        body: Body | None = None,
    ) -> Answer:
        ask = Ask(
            method=method,
            path=Path(ACCOUNT, container, name),
            headers=headers or {},
            query=query or {},
            body=body or Bytes(),
            owner=True,
            hidden=True,
        )
        return await answered(self._pipeline, ask)

"""Dynamic large objects: all objects of a container whose names begin so, one after the other, as they are now."""

from hashlib import md5
from urllib.parse import unquote

import msgspec

from pileus.object_store.errors import StorageProblem
from pileus.object_store.features.segments import Composite, Piece, content_of
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Ask, Content, Handler, Refused, answered, whole

HEADER = "x-object-manifest"


class Segment(msgspec.Struct):
    """A segment as its container lists it."""

    name: str
    hash: str
    bytes: int


class DynamicLargeObjects:
    """Reads what X-Object-Manifest stands for."""

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """The segments in place of the manifest, unless the manifest is asked for."""
        answer = await rest(ask)
        if ask.method not in {"GET", "HEAD"} or ask.path.depth != 3 or not answer.ok or HEADER not in answer.headers:
            return answer
        if ask.query.get("multipart-manifest") == "get":
            return answer
        await answer.close()
        container, _, prefix = unquote(answer.headers[HEADER]).lstrip("/").partition("/")
        segments = await self._segments(ask, rest, Path(ask.path.account, container), prefix)
        tags = "".join(segment.hash for segment in segments)
        headers = {
            **answer.headers,
            "etag": f'"{md5(tags.encode(), usedforsecurity=False).hexdigest()}"',
            "content-length": str(sum(segment.bytes for segment in segments)),
        }
        pieces = [self._piece(ask, rest, Path(ask.path.account, container, one.name), one) for one in segments]
        return Answer(status=200, headers=headers, body=Composite(pieces))

    async def _segments(self, ask: Ask, rest: Handler, path: Path, prefix: str) -> list[Segment]:
        found: list[Segment] = []
        while True:
            query = {"format": "json", "prefix": prefix, "marker": found[-1].name if found else ""}
            answer, body = await whole(rest, ask.again("GET", path, query=query))
            if answer.status == 404:
                return found
            if not answer.ok:
                raise Refused(answer.status)
            page = msgspec.json.decode(body, type=list[Segment]) if body else []
            if not page:
                return found
            found += page

    def _piece(self, ask: Ask, rest: Handler, path: Path, segment: Segment) -> Piece:
        async def open_it() -> Content:
            # A segment that is itself a manifest counts as what it is: manifests cannot go in circles.
            answer = await answered(rest, ask.again("GET", path, query={"multipart-manifest": "get"}))
            if not answer.ok or answer.headers.get("etag", "").strip('"') != segment.hash:
                await answer.close()
                raise StorageProblem(f"Segment {path} is not what its container lists.")
            return content_of(answer)

        return Piece(segment.bytes, open_it)

"""Versioned writes as they were first: what is overwritten is copied into another container that clients see.

X-Versions-Location brings the last copy back when the object is deleted; X-History-Location keeps all, deletions too.
"""

from urllib.parse import quote, unquote

import msgspec

from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.features.copying import Flowing
from pileus.object_store.features.segments import content_of
from pileus.object_store.features.version_lists import MARKER
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Ask, Handler, Refused, answered, whole
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.objects import permit_object

LOCATION, MODE = "x-container-sysmeta-versions-location", "x-container-sysmeta-versions-mode"
HEADERS = {"x-versions-location": "stack", "x-history-location": "history"}


class VersionedWrites:
    """Copies what is about to be overwritten or deleted, where the container says so."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """What is asked, once what was there is safe."""
        if ask.path.depth == 2:
            return await self._container(ask, rest)
        if ask.path.depth != 3 or ask.method not in {"PUT", "DELETE"} or ask.hidden:
            return await rest(ask)
        facts = await self._cluster.container(ask.path)
        if facts is None or not facts.metadata.get(LOCATION):
            return await rest(ask)
        await permit_object(self._cluster, ask, "x-container-write")
        if ask.method == "PUT":
            await self._keep(ask, rest, facts)
            return await rest(ask)
        if facts.metadata.get(MODE) == "history":
            return await self._recorded(ask, rest, facts)
        return await self._popped(ask, rest, facts)

    async def _container(self, ask: Ask, rest: Handler) -> Answer:
        if ask.method in {"PUT", "POST"}:
            self._set(ask)
        answer = await rest(ask)
        if answer.ok and ask.method in {"GET", "HEAD"}:
            facts = await self._cluster.container(ask.path)
            if facts is not None and facts.metadata.get(LOCATION):
                mode = facts.metadata.get(MODE, "stack")
                name = next(header for header, of in HEADERS.items() if of == mode)
                answer.headers[name] = facts.metadata[LOCATION]
        return answer

    def _set(self, ask: Ask) -> None:
        given = [name for name in HEADERS if ask.headers.get(name)]
        if len(given) > 1:
            raise Refused(400, "Only one of X-Versions-Location or X-History-Location may be specified")
        removed = any(f"x-remove-{name[2:]}" in ask.headers or ask.headers.get(name) == "" for name in HEADERS)
        for name in given:
            value = unquote(ask.headers[name])
            if not value or "/" in value:
                raise Refused(412, f"{name.title()} header must be the name of a container")
            ask.headers |= {LOCATION: value, MODE: HEADERS[name]}
        if removed and not given:
            ask.headers |= {LOCATION: "", MODE: ""}

    def _place(self, ask: Ask, facts: ContainerFacts, stamp: str = "") -> Path:
        name = str(ask.path.object)
        return Path(ask.path.account, facts.metadata[LOCATION], f"{len(quote(name)):03x}{name}/{stamp}")

    async def _keep(self, ask: Ask, rest: Handler, facts: ContainerFacts) -> None:
        """What is there now is copied; refuses when it cannot be."""
        query = {"symlink": "get", "multipart-manifest": "get"}
        now = await answered(rest, ask.again("GET", ask.path, query=query).by_cloud())
        if not now.ok:
            await now.close()
            if now.status == 404:
                return
            raise Refused(503)
        await self._copy(ask, rest, now, self._place(ask, facts, now.headers["x-timestamp"]))

    async def _copy(self, ask: Ask, rest: Handler, now: Answer, place: Path) -> None:
        dropped = {"etag", "x-timestamp", "last-modified", "accept-ranges"}
        headers = {name: value for name, value in now.headers.items() if name not in dropped}
        try:
            asked = ask.again("PUT", place, headers=headers, body=Flowing(content_of(now)))
            kept = await answered(rest, asked.by_cloud())
        finally:
            await now.close()
        if not kept.ok:
            raise Refused(412 if 400 <= kept.status < 500 else 503)

    async def _recorded(self, ask: Ask, rest: Handler, facts: ContainerFacts) -> Answer:
        """The object goes, and that it did is recorded."""
        await self._keep(ask, rest, facts)
        place = self._place(ask, facts, self._cluster.stamps.next())
        marker = ask.again("PUT", place, headers={"content-type": MARKER, "content-length": "0"})
        kept = await answered(rest, marker.by_cloud())
        if not kept.ok:
            raise Refused(412 if 400 <= kept.status < 500 else 503)
        return await rest(ask)

    async def _popped(self, ask: Ask, rest: Handler, facts: ContainerFacts) -> Answer:
        """The object goes, and the last of its copies takes its place."""
        place = self._place(ask, facts)
        prefix = str(place.object)
        query = {"format": "json", "prefix": prefix, "reverse": "true", "limit": "1"}
        listed, raw = await whole(rest, ask.again("GET", place.above, query=query).by_cloud())
        rows = msgspec.json.decode(raw, type=list[_Row]) if listed.status == 200 and raw else []
        if not rows:
            return await rest(ask)
        last = Path(place.account, place.container, rows[0].name)
        if rows[0].content_type == MARKER:
            await answered(rest, ask.again("DELETE", last).by_cloud())
            return await rest(ask)
        kept = await answered(rest, ask.again("GET", last, query={"symlink": "get"}).by_cloud())
        if not kept.ok:
            await kept.close()
            return await rest(ask)
        await self._copy(ask, rest, kept, ask.path)
        return await rest(msgspec.structs.replace(ask, path=last).by_cloud())


class _Row(msgspec.Struct):
    name: str
    content_type: str

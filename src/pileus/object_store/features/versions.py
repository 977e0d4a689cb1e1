"""Object versioning: every PUT is kept, a DELETE leaves a marker, and each version has an id.

The versions of a container are in another one whose name begins with NUL, which no client sees. The object itself is a symlink to
the newest of them, so that reading it costs one step more and nothing is ever copied.
"""

from urllib.parse import quote, unquote

import msgspec

from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.features.copying import Flowing
from pileus.object_store.features.segments import content_of
from pileus.object_store.features.symlinks import EMPTY, EXTRA, KEPT, KEPT_BYTES, KEPT_ETAG
from pileus.object_store.features.version_lists import (
    MARKER,
    NULL,
    hidden_container,
    hidden_name,
    null_of,
    version_of,
    versions_listed,
)
from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import stamp_of
from pileus.object_store.proxy.asks import Answer, Ask, Guards, Handler, Refused, answered, true
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.kept import LISTED
from pileus.object_store.proxy.objects import permit_object

ENABLED = "x-container-sysmeta-versions-enabled"
HEADER, ID = "x-versions-enabled", "x-object-version-id"
NULLS = "x-backend-null-versions"  # of a request: null versions replace one another, as S3 has it
GONE = "x-backend-delete-marker"  # of an answer: there is a version, which says that there is nothing
NULLED = "x-object-sysmeta-versions-null"  # of a version that S3 calls `null`: what was there while there were none


class Versioning:
    """Keeps every version of the objects in containers that say so."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """What is asked, of the newest version or the one that is named."""
        if ask.path.depth == 2:
            return await self._container(ask, rest)
        if ask.path.depth != 3 or ask.hidden:
            return await rest(ask)
        facts = await self._cluster.container(ask.path)
        if facts is None or ENABLED not in facts.metadata:
            if "version-id" in ask.query and ask.query["version-id"] != NULL:
                raise Refused(400, "The container has no versions.")
            return await rest(ask)
        return await _Versioned(self._cluster, ask, rest, facts).answer()

    async def _container(self, ask: Ask, rest: Handler) -> Answer:
        if ask.method in {"PUT", "POST"} and HEADER in ask.headers:
            await self._switch(ask, rest)
        facts = await self._cluster.container(ask.path)
        enabled = facts is not None and ENABLED in facts.metadata
        if ask.method == "GET" and "versions" in ask.query:
            if not enabled:
                return await rest(ask)
            return await versions_listed(self._cluster, ask, rest)
        if ask.method == "DELETE" and enabled:
            await self._empty(ask, rest)
        answer = await rest(ask)
        if enabled and answer.ok and facts is not None and ask.method in {"GET", "HEAD"}:
            answer.headers[HEADER] = facts.metadata[ENABLED]
        return answer

    async def _switch(self, ask: Ask, rest: Handler) -> None:
        ask.permit(ask, Guards())
        on = true(ask.headers[HEADER])
        if ask.headers.get("x-versions-location") or ask.headers.get("x-history-location"):
            raise Refused(400, "A container has versions of one kind, not of two.")
        facts = await self._cluster.container(ask.path)
        if facts is not None and facts.metadata.get("x-container-sysmeta-versions-location"):
            raise Refused(
                400,
                "Cannot enable object versioning on a container that is already using the legacy versioned writes feature.",
            )
        if on:
            made = await answered(rest, ask.again("PUT", hidden_container(ask.path)).by_cloud())
            if not made.ok:
                raise Refused(500)
        ask.headers[ENABLED] = str(on)
        del ask.headers[HEADER]

    async def _empty(self, ask: Ask, rest: Handler) -> None:
        """The container of versions goes before the one they are of."""
        ask.permit(ask, Guards())
        gone = await answered(rest, ask.again("DELETE", hidden_container(ask.path)).by_cloud())
        if gone.status == 409:
            raise Refused(409)
        if not gone.ok and gone.status != 404:
            raise Refused(500)


class _Versioned:
    """One request about an object that has versions."""

    def __init__(self, cluster: Cluster, ask: Ask, rest: Handler, facts: ContainerFacts) -> None:
        self._cluster = cluster
        self._ask = ask
        self._rest = rest
        self._enabled = true(facts.metadata[ENABLED])

    async def answer(self) -> Answer:
        ask = self._ask
        id = ask.query.get("version-id")
        if ask.method in {"GET", "HEAD"}:
            return await (self._current() if id is None else self._named(id))
        await permit_object(self._cluster, ask, "x-container-write")
        if id is not None:
            return await self._of_version(id)
        if not self._enabled:
            return await self._unversioned()
        if ask.method == "PUT":
            return await self._put()
        if ask.method == "DELETE":
            return await self._delete()
        if ask.method == "POST":
            return await self._post()
        return await self._rest(ask)

    async def _current(self) -> Answer:
        answer = await self._rest(self._ask)
        if self._ask.query.get("symlink") != "get":
            place = answer.headers.pop("content-location", "")
            name = unquote(place).rpartition("\0")[2]
            answer.headers[ID] = version_of(name) if "\0" in unquote(place) else NULL
        return answer

    async def _named(self, id: str) -> Answer:
        await permit_object(self._cluster, self._ask, "x-container-read")
        if id == NULL:
            id = await self._null()
        if id == NULL:
            answer = await self._rest(self._plain())
        else:
            answer = await answered(self._rest, self._hidden(self._ask, _checked(id)))
        answer.headers[ID] = id
        if answer.ok and answer.headers.get("content-type") == MARKER:
            await answer.close()
            raise Refused(404, headers={ID: id, GONE: "true", NULLED: answer.headers.get(NULLED, "")})
        return answer

    async def _null(self) -> str:
        """The null version: the object itself if it stands for no version, else one that was the object once."""
        ask = self._ask
        head = await answered(self._rest, ask.again("HEAD", ask.path, query={"symlink": "get"}).by_cloud())
        await head.close()
        if head.ok and EXTRA not in head.headers:
            return NULL
        return await null_of(ask, self._rest) or (NULL if not head.ok else _refused())

    async def _of_version(self, id: str) -> Answer:
        """PUT brings a version back, DELETE removes it, POST describes it anew."""
        ask = self._ask
        if ask.method == "PUT":
            return await self._restore(_checked(id))
        link = await self._link()
        if id == NULL:
            id = await self._null()
        if id == NULL:
            answer = await self._rest(self._plain())
        else:
            answer = await answered(self._rest, self._hidden(ask, _checked(id)))
            if ask.method == "DELETE" and answer.ok and link == id:
                await answered(self._rest, ask.again("DELETE", ask.path).by_cloud())
                link = None
        answer.headers[ID] = id
        if ask.method == "DELETE":
            answer.headers["x-object-current-version-id"] = link or NULL
        return answer

    async def _restore(self, id: str) -> Answer:
        if self._ask.body.length not in {0, None}:
            raise Refused(400, "PUT version-id requests require a zero byte body")
        head = await answered(self._rest, self._hidden(self._ask.again("HEAD", self._ask.path), id))
        if not head.ok:
            return head
        await head.close()
        return await self._point(id, head.headers)

    async def _put(self) -> Answer:
        ask = self._ask
        if ask.headers.get("if-none-match") == "*":
            now = await answered(self._rest, ask.again("HEAD", ask.path).by_cloud())
            await now.close()
            if now.ok:
                raise Refused(412)
        await self._keep_current()
        stamp = self._cluster.stamps.next()
        asked = msgspec.structs.replace(self._hidden(ask, stamp), stamp=stamp)
        kept = await self._rest(asked)
        if not kept.ok:
            return kept
        head = await self._rest(self._hidden(ask.again("HEAD", ask.path), stamp))
        await head.close()
        made = await self._point(stamp, head.headers)
        return Answer(status=made.status, headers={**kept.headers, ID: stamp}) if made.ok else made

    async def _point(self, id: str, headers: dict[str, str]) -> Answer:
        """The object is this version."""
        ask = self._ask
        target = Path(ask.path.account, hidden_container(ask.path).container, hidden_name(str(ask.path.object), id))
        etag = headers["etag"].strip('"')
        size = headers.get(f"{LISTED}size", headers["content-length"])
        listed = headers.get(f"{LISTED}etag", etag)
        etag_listed, sign, extras = listed.partition(";")  # what else the version says of itself is said of the object
        link = {
            KEPT: quote(f"{target.container}/{target.object}"),
            KEPT_ETAG: etag,
            KEPT_BYTES: size,
            EXTRA: "true",
            "content-type": headers.get("content-type", ""),
            f"{LISTED}etag": f"{EMPTY}; versioned_etag={etag_listed.strip()}; versioned_bytes={size}"
            f"; versioned_id={id}{sign}{extras}",
        }
        made = await answered(
            self._rest, ask.again("PUT", ask.path, headers={**link, "content-length": "0"}).by_cloud()
        )
        made.headers |= {ID: id, "etag": etag}
        return made

    async def _delete(self) -> Answer:
        ask = self._ask
        await self._keep_current()
        stamp = self._cluster.stamps.next()
        headers = {"content-type": MARKER, "content-length": "0"}
        marker = msgspec.structs.replace(ask.again("PUT", ask.path, headers=headers), stamp=stamp)
        kept = await self._rest(msgspec.structs.replace(self._hidden(marker, stamp), stamp=stamp))
        if not kept.ok:
            return kept
        gone = await answered(self._rest, ask.again("DELETE", ask.path).by_cloud())
        if gone.ok or gone.status == 404:
            return Answer(status=204, headers={"content-type": "text/html; charset=UTF-8", ID: stamp})
        return gone

    async def _post(self) -> Answer:
        link = await self._link()
        if link is None:
            return await self._rest(self._ask)
        answer = await answered(self._rest, self._hidden(self._ask, link))
        answer.headers[ID] = link
        return answer

    async def _unversioned(self) -> Answer:
        """Versions are suspended: the object itself changes, and versions that were kept stay."""
        ask = self._ask
        link = await self._link()
        if ask.method == "POST" and link is not None:
            return await self._post()
        if ask.method == "DELETE" and NULLS in ask.headers:
            return await self._bury()
        answer = await self._rest(ask)
        if ask.method == "PUT":
            answer.headers[ID] = NULL
            if answer.ok and NULLS in ask.headers:
                await self._forget_null()
        return answer

    async def _bury(self) -> Answer:
        """As S3 has it, the null version is a marker now that there is nothing; versions that have ids stay."""
        ask = self._ask
        await self._forget_null()
        stamp = self._cluster.stamps.next()
        headers = {"content-type": MARKER, "content-length": "0", NULLED: "true"}
        headers[f"{LISTED}etag"] = f"{EMPTY}; versions_null=1"
        marker = self._hidden(ask.again("PUT", ask.path, headers=headers), stamp)
        kept = await self._rest(msgspec.structs.replace(marker, stamp=stamp))
        if not kept.ok:
            return kept
        gone = await answered(self._rest, ask.again("DELETE", ask.path).by_cloud())
        if not gone.ok and gone.status != 404:
            return gone
        return Answer(status=204, headers={"content-type": "text/html; charset=UTF-8", ID: stamp, NULLED: "true"})

    async def _forget_null(self) -> None:
        """What was the null version is it no more."""
        old = await null_of(self._ask, self._rest)
        if old is not None:
            gone = await answered(self._rest, self._hidden(self._ask.again("DELETE", self._ask.path), old))
            if not gone.ok and gone.status != 404:
                raise Refused(503)

    async def _keep_current(self) -> None:
        """What was there before there were versions becomes one."""
        ask = self._ask
        now = await answered(self._rest, ask.again("GET", ask.path, query={"symlink": "get"}).by_cloud())
        if not now.ok or EXTRA in now.headers:
            await now.close()
            return
        id = stamp_of(now.headers["x-timestamp"])
        headers = {name: value for name, value in now.headers.items() if name not in {"etag", "x-timestamp"}}
        listed = headers.get(f"{LISTED}etag") or now.headers["etag"].strip('"')
        headers |= {NULLED: "true", f"{LISTED}etag": f"{listed}; versions_null=1"}
        asked = self._hidden(ask.again("PUT", ask.path, headers=headers, body=Flowing(content_of(now))), id)
        try:
            kept = await answered(self._rest, msgspec.structs.replace(asked, stamp=id))
        finally:
            await now.close()
        if not kept.ok and kept.status != 409:
            raise Refused(503)

    async def _link(self) -> str | None:
        """The id of the version that the object is now; None when it is none."""
        ask = self._ask
        head = await answered(self._rest, ask.again("HEAD", ask.path, query={"symlink": "get"}).by_cloud())
        await head.close()
        if not head.ok or EXTRA not in head.headers:
            return None
        return version_of(unquote(head.headers[KEPT]).rpartition("\0")[2])

    def _plain(self) -> Ask:
        query = {name: value for name, value in self._ask.query.items() if name != "version-id"}
        return msgspec.structs.replace(self._ask, query=query)

    def _hidden(self, ask: Ask, id: str) -> Ask:
        """The same of one version; it is allowed, as it was for the object."""
        target = Path(ask.path.account, hidden_container(ask.path).container, hidden_name(str(ask.path.object), id))
        query = {name: value for name, value in ask.query.items() if name != "version-id"}
        return msgspec.structs.replace(ask.by_cloud(), path=target, query=query)


def _refused() -> str:
    raise Refused(404)


def _checked(id: str) -> str:
    try:
        return stamp_of(id)
    except ValueError:
        raise Refused(400, "Invalid version parameter") from None

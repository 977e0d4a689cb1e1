"""Objects: read, described anew, deleted. Writing their bytes is in uploads.py."""

from collections.abc import AsyncIterator, Mapping

from pileus.kit.observe.log import log_of
from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.errors import Missing, StorageProblem, Superseded
from pileus.object_store.models.listings import ObjectRow
from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import http_date
from pileus.object_store.proxy.accounts import ACL
from pileus.object_store.proxy.asks import Answer, Ask, Claim, Guards, Refused
from pileus.object_store.proxy.claiming import spot_of
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.coded import find_coded
from pileus.object_store.proxy.deadlines import delete_at
from pileus.object_store.proxy.expiring import Expiring
from pileus.object_store.proxy.kept import TRANSIENT, kept_of, listed_as
from pileus.object_store.proxy.replicas import quorum, read_any, write_all
from pileus.object_store.ring.places import Place
from pileus.object_store.storage.interface import Found, Spot, Told

log = log_of(__name__)
NOT_SHOWN = {"name", "content-length", "block-sums"}
HTML = {"content-type": "text/html; charset=UTF-8"}


class ObjectProxy:
    """Answers what is asked about objects."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._expiring = Expiring(cluster)

    async def get(self, ask: Ask) -> Answer:
        """The object; its bytes are read as they are wanted."""
        container = await permit_object(self._cluster, ask, "x-container-read")
        if container is None:
            raise Refused(404)
        found = await self._find(ask, container.policy, whole=ask.method == "GET")
        self._require_fresh(ask, found.metadata)
        return Answer(headers=self._headers(found), body=Replicated(self, ask.path, container.policy, found))

    async def head(self, ask: Ask) -> Answer:
        """What is known of the object."""
        return await self.get(ask)

    async def post(self, ask: Ask) -> Answer:
        """The object's metadata is this, and nothing of what it was."""
        container = await permit_object(self._cluster, ask, "x-container-write")
        if container is None:
            raise Refused(404)
        deadline = delete_at(ask, self._cluster.stamps)
        said = kept_of(ask, with_sysmeta=TRANSIENT)
        if ask.kept is not None:
            said = ask.kept(said)
        if deadline:
            said["x-delete-at"] = deadline
            await self._expiring.add(ask.path, deadline)
        stamp = ask.stamp or self._cluster.stamps.next()
        if ask.headers.get("content-type"):
            said["content-type"] = ask.headers["content-type"]
        before = await self._find(ask, container.policy, whole=False)
        await before.close()
        self._require_fresh(ask, before.metadata)
        if "content-type" not in said:
            said["content-type"] = before.metadata.get("content-type", "")
        told = self._told(ask.path, container.policy, {**before.metadata, **said}, before.stamp, stamp)
        try:
            await self._write(
                ask.path,
                container.policy,
                lambda spot: self._cluster.servers.of(spot.place).objects.update(spot, stamp, said, told),
            )
        except Missing:
            raise Refused(404) from None
        except Superseded:
            raise Refused(409) from None
        return Answer(status=202, headers=dict(HTML))

    async def delete(self, ask: Ask) -> Answer:
        """The object is gone."""
        container = await permit_object(self._cluster, ask, "x-container-write")
        if container is None:
            raise Refused(404)
        stamp = ask.stamp or self._cluster.stamps.next()
        await self._require_deadline(ask, container.policy)
        row = ObjectRow(name=str(ask.path.object), stamp=stamp, deleted=True, policy=container.policy)
        told = Told(ask.path.above, row)
        try:
            gone = await self._write(
                ask.path,
                container.policy,
                lambda spot: self._cluster.servers.of(spot.place).objects.delete(spot, stamp, str(ask.path), told),
                ask.claim,
            )
        except Superseded as newer:
            raise Refused(409, headers={"x-backend-timestamp": newer.stamp}) from None
        if not any(gone):
            raise Refused(404)
        return Answer(status=204, headers=dict(HTML))

    async def find(self, path: Path, policy: int, *, whole: bool = True, skip: int = 0) -> Found:
        """A copy of the object that can be read; raises Missing. `skip` leaves out the first copies."""
        if self._cluster.rings.policies[policy].fragments is not None:
            return await find_coded(self._cluster, path, policy)
        places, handoffs = self._cluster.where(path, policy)
        hash = self._cluster.rings.hash(path)
        servers = self._cluster.servers
        gone = ""

        async def opened(at: Place) -> Found:
            nonlocal gone
            try:
                found = await servers.of(at).objects.open(Spot(at, policy, hash), whole=whole)
            except Missing as missing:
                gone = max(gone, missing.stamp or "")
                raise
            if found.stamp < gone:  # a copy on a device that was away when the object was deleted
                await found.close()
                raise Missing(gone)
            return found

        return await read_any(places[skip:], handoffs, opened)

    async def newest(self, path: Path, policy: int) -> str:
        """The stamp of the object's newest bytes, as all of its devices that answer know it; empty when there is none."""
        try:
            found = await self._newest(path, policy)
        except Missing:
            return ""
        await found.close()
        return found.stamp

    async def _find(self, ask: Ask, policy: int, *, whole: bool) -> Found:
        try:
            if ask.flag("x-newest"):
                return await self._newest(ask.path, policy)
            return await self.find(ask.path, policy, whole=whole)
        except Missing:
            raise Refused(404) from None

    async def _newest(self, path: Path, policy: int) -> Found:
        if self._cluster.rings.policies[policy].fragments is not None:
            return await find_coded(self._cluster, path, policy)
        places, _ = self._cluster.where(path, policy)
        hash = self._cluster.rings.hash(path)
        best: Found | None = None
        gone = ""
        away: list[StorageProblem] = []
        for at in places:
            try:
                found = await self._cluster.servers.of(at).objects.open(Spot(at, policy, hash))
            except Missing as missing:
                gone = max(gone, missing.stamp or "")
            except StorageProblem as failed:
                log.info("a copy cannot be compared", device=at.device.name, why=failed.message)
                away.append(failed)
            else:
                best = await _newer(best, found)
        if best is None and len(places) - len(away) < quorum(len(places)):
            raise away[0]  # those that may have it do not answer: that is not to be taken for its absence
        if best is None or gone > best.changed:
            raise Missing(gone or None)
        return best

    async def _write(self, path: Path, policy: int, call: "object", claim: Claim | None = None) -> list[object]:
        places, handoffs = self._cluster.where(path, policy)
        hash = self._cluster.rings.hash(path)

        async def one(at: Place) -> object:
            return await call(spot_of(at, policy, hash, claim, path))  # type: ignore[operator]

        return (await write_all(places, handoffs, one)).settle()

    def _require_fresh(self, ask: Ask, metadata: Mapping[str, str]) -> None:
        """An object whose time has come is not there, even before it is removed."""
        deadline = metadata.get("x-delete-at", "")
        if deadline and int(deadline) <= self._cluster.stamps.now() and not self._opens(ask):
            raise Refused(404)

    def _opens(self, ask: Ask) -> bool:
        """Whether what has expired is answered all the same: to the expirer, and to owners where that is allowed."""
        return ask.flag("x-open-expired") and (ask.hidden or (ask.owner and self._cluster.config.allow_open_expired))

    async def _require_deadline(self, ask: Ask, policy: int) -> None:
        """Who removes what has expired removes nothing else that took its place."""
        expected = ask.headers.get("x-if-delete-at")
        if expected is None:
            return
        if not expected.isdigit():
            raise Refused(400, "Bad X-If-Delete-At header value")
        found = await self._find(ask, policy, whole=False)
        await found.close()
        if found.metadata.get("x-delete-at") != expected:
            raise Refused(412)

    def _told(self, path: Path, policy: int, metadata: Mapping[str, str], stamp: str, changed: str) -> Told:
        return Told(path.above, listed_as(path, policy, metadata, stamp, changed))

    def _headers(self, found: Found) -> dict[str, str]:
        kept = {name: value for name, value in found.metadata.items() if name not in NOT_SHOWN}
        return {
            **kept,
            "content-length": str(found.size),
            "x-timestamp": found.changed,
            "last-modified": http_date(found.changed),
            "accept-ranges": "bytes",
        }


async def _newer(one: Found | None, other: Found) -> Found:
    """The newer of two copies; the other one is closed."""
    if one is None:
        return other
    newer, older = (one, other) if one.changed >= other.changed else (other, one)
    await older.close()
    return newer


class Replicated:
    """The bytes of an object that is kept whole; when one copy fails in the middle, another goes on."""

    def __init__(self, proxy: ObjectProxy, path: Path, policy: int, found: Found) -> None:
        self._proxy = proxy
        self._path = path
        self._policy = policy
        self._found = found
        self.size = found.size

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The bytes from there; raises StorageProblem when no copy has them."""
        stamp = self._found.stamp
        for skip in range(1, 4):
            try:
                async for chunk in self._found.read(start, length):
                    yield chunk
                    start, length = start + len(chunk), length - len(chunk)
                return
            except (OSError, StorageProblem) as failed:
                log.broke("a copy ends early; another goes on", failed, object=str(self._path))
                await self._found.close()
                self._found = await self._proxy.find(self._path, self._policy, skip=skip)
                if self._found.stamp != stamp:
                    raise
        raise Missing

    async def close(self) -> None:
        """It is not read any more."""
        await self._found.close()


async def permit_object(cluster: Cluster, ask: Ask, acl: str) -> ContainerFacts | None:
    """The object's container, if there is one; refuses who may not."""
    container = await cluster.container(ask.path)
    account = await cluster.account(ask.path)
    ask.permit(
        ask,
        Guards(
            container=container.metadata.get(acl, "") if container is not None else "",
            account=account.metadata.get(ACL, "") if account is not None else "",
        ),
    )
    return container

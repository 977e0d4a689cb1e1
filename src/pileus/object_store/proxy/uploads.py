"""Writing an object: its bytes go to all devices as they come, and it holds once most have it durably.

receive a piece -> (hash in a thread | write to each device) while the next ones are received -> record -> fsync
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import md5

import msgspec

from pileus.kit.http.call import Disconnected
from pileus.kit.http.pace import TooSlow
from pileus.kit.observe.log import log_of
from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.errors import Exists, Missing, StorageProblem, Superseded, Unmet
from pileus.object_store.models.limits import wrong_name
from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import http_date
from pileus.object_store.proxy.asks import Answer, Ask, Body, Claim, Landed, Refused
from pileus.object_store.proxy.behind import Behind
from pileus.object_store.proxy.claiming import Claiming, Contended
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.coded import CodedCopies
from pileus.object_store.proxy.deadlines import delete_at
from pileus.object_store.proxy.expiring import Expiring
from pileus.object_store.proxy.kept import guessed, kept_of, listed_as
from pileus.object_store.proxy.objects import HTML, ObjectProxy, permit_object
from pileus.object_store.proxy.replicas import AWAY, Outcomes, TooFew, problems, quorum, together
from pileus.object_store.ring.places import Place
from pileus.object_store.storage.interface import Spot, Told, Upload

log = log_of(__name__)
BATCH = 1 << 18  # bytes: smaller pieces of a body are put together
INLINE = 1 << 15  # so few are hashed on the spot: a thread would take longer
HELD = 2047  # bytes that MD5 takes without giving the interpreter away: to get it back takes longer than to hash them


class UploadProxy:
    """Answers PUT of objects."""

    def __init__(self, cluster: Cluster, objects: ObjectProxy) -> None:
        self._cluster = cluster
        self._objects = objects
        self._expiring = Expiring(cluster)

    async def put(self, ask: Ask) -> Answer:
        """The object is durable on most of its devices."""
        container = await permit_object(self._cluster, ask, "x-container-write")
        if container is None:
            raise Refused(404)
        self._check(ask)
        metadata = kept_of(ask)
        deadline = delete_at(ask, self._cluster.stamps)
        if deadline:
            metadata["x-delete-at"] = deadline
        metadata["content-type"] = ask.headers.get("content-type") or guessed(str(ask.path.object))
        only_new = await self._only_new(ask, container)
        claiming = None
        if only_new and ask.claim is None:
            ask = msgspec.structs.replace(ask, claim=(claim := Claim.fresh(ask.path)))
            claiming = Claiming(self._cluster, claim, container.policy)
        if deadline:
            await self._expiring.add(ask.path, deadline)
        copies = copies_of(self._cluster, ask, container.policy)
        await copies.open()
        try:
            landed = await self._receive(ask, copies)
            if claiming is None:
                stamp = await self._keep(ask, copies, container.policy, metadata, landed, only_new=only_new)
            else:
                async with self._alone(claiming, ask.path, container.policy):
                    stamp = await self._keep(ask, copies, container.policy, metadata, landed, only_new=only_new)
        finally:
            await copies.drop()
        return Answer(
            status=201,
            headers={**HTML, "etag": landed.etag, "last-modified": http_date(stamp), "x-timestamp": stamp},
        )

    async def _keep(
        self,
        ask: Ask,
        copies: "Copies | CodedCopies",
        policy: int,
        metadata: dict[str, str],
        landed: Landed,
        *,
        only_new: bool,
    ) -> str:
        """The object is kept as of now; return the stamp of that."""
        stamp = ask.stamp or self._cluster.stamps.next()
        whole = self._whole(ask, metadata, landed, stamp)
        told = Told(ask.path.above, listed_as(ask.path, policy, whole, stamp))
        try:
            await copies.keep(stamp, whole, told, only_new=only_new)
        except Exists:
            raise Refused(412) from None
        except Unmet as others:
            raise Refused(409, others.message) from None
        except Superseded as newer:
            raise Refused(409, headers={"x-backend-timestamp": newer.stamp}) from None
        return stamp

    @asynccontextmanager
    async def _alone(self, claiming: Claiming, path: Path, policy: int) -> AsyncIterator[None]:
        """Inside, nobody else writes what is claimed; refuses when somebody did before."""
        try:
            await claiming.take()
        except Contended as others:
            raise Refused(409, others.message) from None
        try:
            if await self._objects.newest(path, policy):
                raise Refused(412)
            yield
        finally:
            await claiming.release()

    def _whole(self, ask: Ask, metadata: dict[str, str], landed: Landed, stamp: str) -> dict[str, str]:
        """The metadata as it is kept, now that all bytes are known."""
        whole = {
            **metadata,
            "content-length": str(landed.size),
            "etag": landed.etag,
            "name": str(ask.path),
            "x-timestamp": stamp,
            **(ask.late(landed) if ask.late is not None else {}),
        }
        return ask.kept(whole) if ask.kept is not None else whole

    def _check(self, ask: Ask) -> None:
        wrong = wrong_name("object", str(ask.path.object), hidden=ask.hidden)
        if wrong is not None:
            raise Refused(400 if "longer" in wrong else 412, wrong)
        length = ask.body.length
        if length is None and "chunked" not in ask.headers.get("transfer-encoding", "").lower():
            raise Refused(411, "Missing Content-Length header.")
        if length is not None and length > self._cluster.config.max_file_size:
            raise Refused(413, "Your request is too large.")
        if "x-object-manifest" in ask.headers:
            container, _, prefix = ask.headers["x-object-manifest"].strip().strip("/").partition("/")
            if not container or not prefix or "?" in prefix or "&" in prefix:
                raise Refused(400, "X-Object-Manifest must be in the format container/prefix")

    async def _only_new(self, ask: Ask, container: ContainerFacts) -> bool:
        """Whether nothing may be there yet; refuses when something is."""
        wanted = ask.headers.get("if-none-match")
        if wanted is None:
            return False
        if wanted.strip() != "*":
            raise Refused(400, "If-None-Match only supports *")
        try:
            found = await self._objects.find(ask.path, container.policy, whole=False)
        except Missing:
            return True
        await found.close()
        raise Refused(412)

    async def _receive(self, ask: Ask, copies: "Copies | CodedCopies") -> Landed:
        """All bytes are with the devices; return their sum. Refuses a body that is not what its headers say."""
        sum = Sum()
        size = 0
        try:
            async for batch in batches(ask.body):
                size += len(batch)
                if size > self._cluster.config.max_file_size:
                    raise Refused(413, "Your request is too large.")
                await sum.add(batch)
                await copies.write(batch)
            await sum.flush()
            await copies.flush()
        except TooSlow:
            raise Refused(408) from None
        except Disconnected:
            raise Refused(499) from None
        finally:
            await sum.drop()
        if ask.body.length is not None and size != ask.body.length:
            raise Refused(499)
        etag = sum.text
        given = ask.headers.get("etag", "").strip().strip('"').lower()
        if given and given != etag:
            raise Refused(422)
        return Landed(etag, size)


class Sum:
    """The MD5 of a body, made behind those who receive it."""

    def __init__(self) -> None:
        self._sum = md5(usedforsecurity=False)
        self._behind = Behind(self._hash)
        self.flush = self._behind.flush
        self.drop = self._behind.drop

    async def add(self, batch: bytes) -> None:
        """The bytes count, soon."""
        if len(batch) > INLINE:
            await self._behind.add(batch)
            return
        await self.flush()
        for at in range(0, len(batch), HELD):
            self._sum.update(batch[at : at + HELD])

    async def _hash(self, pieces: Sequence[bytes]) -> None:
        def hash() -> None:
            for piece in pieces:
                self._sum.update(piece)

        await asyncio.to_thread(hash)

    @property
    def text(self) -> str:
        """The sum of all, once they are flushed."""
        return self._sum.hexdigest()


class Copies:
    """The devices an object is being written to."""

    def __init__(self, cluster: Cluster, ask: Ask, policy: int) -> None:
        self._cluster = cluster
        self._size = ask.body.length
        self._policy = policy
        self._word = ask.claim.word(ask.path) if ask.claim is not None else ""
        self._hash = cluster.rings.hash(ask.path)
        self._places, self._spare = cluster.where(ask.path, policy)
        self._uploads: list[Upload] = []
        self._failed: list[StorageProblem] = []
        self._behind = Behind(self._write)
        self.flush = self._behind.flush

    async def open(self) -> None:
        """Enough devices take the object; raises TooFew."""
        found = await together([self._one(place) for place in self._places])
        self._uploads = [one for one in found if one is not None and not isinstance(one, BaseException)]
        self._failed += problems(found)
        try:
            await self._require()
        except TooFew:
            await self.drop()
            raise

    async def _one(self, place: Place | None) -> Upload | None:
        while place is not None:
            try:
                spot = Spot(place, self._policy, self._hash, self._word)
                return await self._cluster.servers.of(place).objects.upload(spot, self._size)
            except AWAY as away:
                log.info("a copy goes elsewhere", device=place.device.name, why=away.message)
                self._failed.append(away)
                place = next(self._spare, None)
        return None

    async def write(self, batch: bytes) -> None:
        """The bytes are on their way, while the next ones are received."""
        if len(batch) > INLINE:
            await self._behind.add(batch)
            return
        await self.flush()
        await self._write([batch])

    async def _write(self, pieces: Sequence[bytes]) -> None:
        await self._sort(await together([upload.write(*pieces) for upload in self._uploads]))
        await self._require()

    async def keep(self, stamp: str, metadata: dict[str, str], told: Told | None, *, only_new: bool) -> None:
        """Most devices have the object durably; raises what kept them from it."""
        outcomes = await together([upload.keep(stamp, metadata, told, only_new=only_new) for upload in self._uploads])
        kept = [outcome for outcome in outcomes if outcome is None]
        broken = problems(outcomes)
        Outcomes(kept, [*broken, *self._failed], len(self._places)).settle()

    async def drop(self) -> None:
        """Nothing is left of what was not kept."""
        await self._behind.drop()
        await together([upload.drop() for upload in self._uploads])

    async def _sort(self, outcomes: Sequence[object]) -> None:
        """Devices that failed get nothing more."""
        going = []
        for upload, outcome in zip(self._uploads, outcomes, strict=True):
            if isinstance(outcome, StorageProblem):
                self._failed.append(outcome)
                await upload.drop()
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                going.append(upload)
        self._uploads = going

    async def _require(self) -> None:
        needed = quorum(len(self._places))
        if len(self._uploads) < needed:
            why = "; ".join(failed.message for failed in self._failed)
            raise TooFew(done=len(self._uploads), needed=needed, why=why)


def copies_of(cluster: Cluster, ask: Ask, policy: int) -> Copies | CodedCopies:
    """The devices that an object of a policy is to be written to."""
    if cluster.rings.policies[policy].fragments is None:
        return Copies(cluster, ask, policy)
    return CodedCopies(cluster, ask.path, policy, ask.body.length, ask.claim)


async def batches(body: Body) -> AsyncIterator[bytes]:
    """The body in pieces of BATCH bytes or more."""
    held: list[bytes] = []
    size = 0
    async for chunk in body:
        held.append(chunk)
        size += len(chunk)
        if size >= BATCH:
            yield b"".join(held) if len(held) > 1 else chunk
            held, size = [], 0
    if held:
        yield b"".join(held) if len(held) > 1 else held[0]

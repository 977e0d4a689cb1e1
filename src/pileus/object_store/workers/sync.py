"""Container sync, sending end: what comes into a container goes to the one it names, here or in another cluster.

A cluster of a realm is reached at its address; one whose address is `/` is this cluster itself. Each object keeps the time it was
written, so syncing both ways ends.
"""

import asyncio
import hmac
import http.client
import secrets
from collections.abc import AsyncIterator, Iterator
from hashlib import sha1
from urllib.parse import unquote, urlsplit

import msgspec

from pileus.kit.observe.log import log_of
from pileus.object_store.config import Realm
from pileus.object_store.disk.containers import ContainerFacts, ContainerLedger
from pileus.object_store.errors import Missing
from pileus.object_store.models.listings import ObjectRow
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Ask, Body, Bytes, Content, Handler, answered
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.workers.progress import Progress

log = log_of(__name__)
BATCH = 100
TIMEOUT_S = 60.0
MARK = "synced"
STAMP = "x-backend-inbound-x-timestamp"
SENT = (
    "x-object-meta-",
    "content-type",
    "content-encoding",
    "content-disposition",
    "etag",
    "x-delete-at",
    "content-length",
)


class Target(msgspec.Struct, frozen=True):
    """Where a container's objects go, and what it takes to be let in."""

    realm: str
    key: str
    realm_key: str
    url: str  # "/": this cluster
    path: Path

    def headers(self, method: str, name: str, stamp: str) -> dict[str, str]:
        """What lets a request in."""
        nonce = secrets.token_hex(8)
        prefix = "" if self.url == "/" else urlsplit(self.url).path.rstrip("/").removesuffix("/v1")
        text = f"{method}\n{prefix}/v1{self.path}/{name}\n{stamp}\n{nonce}\n{self.key}"
        signature = hmac.new(self.realm_key.encode(), text.encode(), sha1).hexdigest()
        return {"x-container-sync-auth": f"{self.realm} {nonce} {signature}"}


class Syncer:
    """Sends what came into the containers whose first replica is on a device of this process."""

    def __init__(self, devices: Devices, cluster: Cluster, pipeline: Handler) -> None:
        self._devices = devices
        self._cluster = cluster
        self._pipeline = pipeline

    async def run(self) -> str | None:
        """What came since the last run has been sent."""
        progress = Progress()
        for device in self._devices:
            for partition, hash in await device.keep_book(lambda device=device: list(device.containers.all())):  # type: ignore[misc]
                if self._cluster.rings.containers.places(partition)[0].device.name != device.name:
                    continue
                await self._container(device, device.containers.ledger(partition, hash), progress)
        return progress.line("objects sent to other containers")

    async def _container(self, device: LocalDevice, ledger: ContainerLedger, progress: Progress) -> None:
        try:
            facts = await device.keep_book(ledger.facts)
        except Missing:
            return
        target = self._target(facts)
        if target is None:
            return
        seq = int(await device.keep_book(lambda: ledger.ledger.marked(MARK)) or 0)
        for at, row in await device.keep_book(lambda: ledger.since(seq, BATCH)):
            if not await self._send(Path(facts.account, facts.container, row.name), row, target):
                progress.failed += 1
                break  # the next run begins here again
            progress.done += 1
            await device.keep_book(lambda at=at: ledger.ledger.mark({MARK: str(at)}))  # type: ignore[misc]

    def _target(self, facts: ContainerFacts) -> Target | None:
        to, key = (facts.metadata.get(f"x-container-sync-{name}", "") for name in ("to", "key"))
        parts = to[2:].split("/") if to.startswith("//") else []
        realm: Realm | None = self._cluster.config.realms.get(parts[0].lower()) if len(parts) == 4 else None
        if realm is None or not key or parts[1].lower() not in realm.clusters:
            return None
        url = realm.clusters[parts[1].lower()]
        return Target(parts[0], key, realm.key, url, Path(unquote(parts[2]), unquote(parts[3])))

    async def _send(self, path: Path, row: ObjectRow, target: Target) -> bool:
        """Whether the other container has the object now, or something newer."""
        if row.deleted:
            status = await self._ask("DELETE", path, row.stamp, target, {}, None)
            return status in {204, 404, 409, 412}
        answer = await answered(self._pipeline, Ask(method="GET", path=path, headers={"x-newest": "true"}).by_cloud())
        try:
            if not answer.ok or answer.headers.get("x-timestamp", "") < row.stamp:
                return answer.status == 404  # it was deleted meanwhile, and that row comes
            headers = {name: value for name, value in answer.headers.items() if name.startswith(SENT)}
            headers["etag"] = headers.get("etag", "").strip('"')
            status = await self._ask("PUT", path, answer.headers["x-timestamp"], target, headers, answer)
            return status in {201, 409}
        finally:
            await answer.close()

    async def _ask(
        self, method: str, path: Path, stamp: str, target: Target, headers: dict[str, str], source: Answer | None
    ) -> int:
        name = str(path.object)
        given = {**headers, **target.headers(method, name, stamp)}
        content = source.body if source is not None and not isinstance(source.body, bytes) else None
        if target.url == "/":
            place = Path(target.path.account, target.path.container, name)
            body: Body = Sent(content) if content is not None else Bytes()
            ask = Ask(method=method, path=place, headers={**given, STAMP: stamp}, body=body)
            answer = await answered(self._pipeline, ask)
            await answer.close()
            return answer.status
        loop = asyncio.get_running_loop()
        chunks = content.read(0, content.size) if content is not None else None
        place = Path(target.path.account, target.path.container, name)
        try:
            return await asyncio.to_thread(
                _over_http, target.url, method, place.quoted, {**given, "x-timestamp": stamp}, _pulled(chunks, loop)
            )
        except OSError as failed:
            log.info("another cluster does not answer", url=target.url, why=str(failed))
            return 503


class Sent:
    """An object as the body of its copy."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.length: int | None = content.size

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._content.read(0, self._content.size)


def _pulled(chunks: AsyncIterator[bytes] | None, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """What the event loop reads, for a thread."""

    async def more(source: AsyncIterator[bytes]) -> bytes:
        return await anext(source, b"")

    while chunks is not None:
        chunk = asyncio.run_coroutine_threadsafe(more(chunks), loop).result()
        if not chunk:
            return
        yield chunk


def _over_http(url: str, method: str, path: str, headers: dict[str, str], body: Iterator[bytes]) -> int:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, parts.path.rstrip("/").removesuffix("/v1") + "/v1" + path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()

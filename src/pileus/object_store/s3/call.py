"""One operation of S3 under way: who asks what, and how it asks the pipeline that the Swift API stands on too."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

import msgspec

from pileus.kit.auth import Caller
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.features.versions import NULLS
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Ask, Body, Bytes, Claim, Guards, Permit, Refused, whole
from pileus.object_store.proxy.objects import permit_object
from pileus.object_store.s3.bodies import Verified
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.requests import Request

MOST_XML = 1 << 20
SEGMENTS = "+segments"
MARKS = "x-object-sysmeta-s3-"  # what S3 keeps with the bytes of an object
LATER = "x-object-transient-sysmeta-s3-"  # what may change while the bytes stay
ABOUT = "x-container-sysmeta-s3-"  # what it keeps with a bucket


class Turns:
    """Whoever writes an object under a condition waits for others who do; some objects share a turn."""

    def __init__(self, count: int = 256) -> None:
        self._locks = [asyncio.Lock() for _ in range(count)]

    def of(self, path: Path) -> asyncio.Lock:
        """What is held while a condition is looked at and the object written."""
        return self._locks[hash(path) % len(self._locks)]


class Opened(Protocol):
    """Makes the verified body of a request, with these sums computed on the way."""

    def __call__(self, computed: tuple[str, ...] = ()) -> Verified: ...


class Call(msgspec.Struct, kw_only=True):
    """One request, let in."""

    app: ObjectStoreApp
    request: Request
    caller: Caller
    account: str
    permit: Permit
    permits: Permit  # without what the bucket's policy says, for other buckets
    opened: Opened
    turns: Turns
    request_id: str
    signed: bool = True
    claim: Claim | None = None  # an object that only this call writes, while that is so

    @property
    def bucket(self) -> Path:
        """The container that the bucket is."""
        return Path(self.account, self.request.bucket)

    @property
    def object(self) -> Path:
        """The object that the key names."""
        return Path(self.account, self.request.bucket, self.request.key)

    def header(self, name: str) -> str:
        """A header of the request, empty when it is not there."""
        return self.request.headers.get(name, "")

    def ask(
        self,
        method: str,
        path: Path,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> Ask:
        """Something for the pipeline, asked by this caller."""
        return Ask(
            method=method,
            path=path,
            headers={**(headers or {}), NULLS: "true"},
            query=dict(query or {}),
            body=body or Bytes(),
            permit=self.permit,
            claim=self.claim,
            caller=self.caller,
            request_id=self.request_id,
            remote=self.request.remote,
        )

    async def tell(self, ask: Ask) -> Answer:
        """What the pipeline answers; raises S3Error when it does not do it."""
        answer = await self.app.pipeline(ask)
        if answer.status < 400:
            return answer
        raise await self.refusal(ask, answer)

    async def known(self, path: Path, *, version: str | None = None, cloud: bool = False) -> Answer | None:
        """What is known of an object, without its bytes; None when there is none."""
        ask = self.ask("HEAD", path, query={"version-id": version} if version is not None else None)
        answer = await self.app.pipeline(ask.by_cloud() if cloud else ask)
        await answer.close()
        if answer.status == 404:
            return None
        if not answer.ok:
            raise await self.refusal(ask, answer)
        return answer

    async def refusal(self, ask: Ask, answer: Answer) -> S3Error:
        """The error that an answer of the pipeline means to a client of S3."""
        said = (await answer.bytes()).decode("utf-8", "replace")
        status = answer.status
        if status == 404:
            return await self._missing(ask)
        code = _CODES.get(status, "InternalError")
        if status == 400 and "longer than" in said:
            code = "KeyTooLongError"
        elif status == 400 and "etadata" in said:
            code = "MetadataTooLarge"
        elif status == 412 and "UTF8" in said:
            return S3Error("InvalidArgument", said)
        elif status == 400 and "Object Lock" in said:
            code = "InvalidRequest"
        elif status == 413 and "quota" in said:
            return S3Error("AccessDenied", said)
        text = said if status in {400, 405, 409} and not said.startswith("<") else None
        return S3Error(code, text)

    async def _missing(self, ask: Ask) -> S3Error:
        bucket = await self.app.cluster.container(ask.path)
        if bucket is None or ask.path.depth < 3:
            return S3Error("NoSuchBucket", about={"BucketName": str(ask.path.container)})
        if "version-id" in ask.query:
            return S3Error("NoSuchVersion", about={"Key": str(ask.path.object), "VersionId": ask.query["version-id"]})
        return S3Error("NoSuchKey", about={"Key": str(ask.path.object)})

    async def facts(self) -> ContainerFacts:
        """What is known of the bucket; raises NoSuchBucket."""
        found = await self.app.cluster.container(self.bucket)
        if found is None:
            raise S3Error("NoSuchBucket", about={"BucketName": str(self.request.bucket)})
        return found

    async def owned(self) -> ContainerFacts:
        """The same, for who runs the account, or whom the bucket's policy lets."""
        ask = self.ask("POST", self.bucket)
        try:
            self.permit(ask, Guards())
        except Refused:
            raise S3Error("AccessDenied") from None
        return await self.facts()

    async def writable(self) -> ContainerFacts:
        """The bucket, for who may write to it."""
        return await self._allowed("PUT", "x-container-write")

    async def readable(self) -> ContainerFacts:
        """The bucket, for who may read what is in it."""
        return await self._allowed("GET", "x-container-read")

    async def _allowed(self, method: str, acl: str) -> ContainerFacts:
        path = Path(self.account, self.request.bucket, self.request.key or "")
        try:
            found = await permit_object(self.app.cluster, self.ask(method, path), acl)
        except Refused:
            raise S3Error("AccessDenied") from None
        if found is None:
            raise S3Error("NoSuchBucket", about={"BucketName": str(self.request.bucket)})
        return found

    async def listing(self, path: Path, query: Mapping[str, str], *, cloud: bool = False) -> bytes:
        """A listing of a container, as JSON; empty when there is no such container."""
        ask = self.ask("GET", path, query={**query, "format": "json"})
        answer, raw = await whole(self.app.pipeline, ask.by_cloud() if cloud else ask)
        if answer.ok:
            return raw
        if answer.status == 404 and cloud:
            return b"[]"
        raise await self.refusal(ask, Answer(status=answer.status, body=raw))


_CODES = {
    304: "PreconditionFailed",
    400: "InvalidArgument",
    401: "AccessDenied",
    403: "AccessDenied",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "OperationAborted",
    411: "MissingContentLength",
    412: "PreconditionFailed",
    413: "EntityTooLarge",
    416: "InvalidRange",
    422: "BadDigest",
    498: "SlowDown",
    499: "IncompleteBody",
    503: "ServiceUnavailable",
    507: "ServiceUnavailable",
}


def own_name(path: Path) -> str:
    """The project that an account is of."""
    return path.account.partition("_")[2] or path.account


def segments_of(bucket: Path) -> Path:
    """Where the parts of uploads to a bucket are."""
    return Path(bucket.account, f"{bucket.container}{SEGMENTS}")


async def document_of(call: Call, most: int = MOST_XML) -> bytes:
    """The whole body of a request that carries a document."""
    body = call.opened()
    if body.length is not None and body.length > most:
        raise S3Error("MaxMessageLengthExceeded")
    found = bytearray()
    async for chunk in body:
        found += chunk
        if len(found) > most:
            raise S3Error("MaxMessageLengthExceeded")
    return bytes(found)

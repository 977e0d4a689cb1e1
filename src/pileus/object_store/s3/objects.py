"""Objects: put, got, described and deleted."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec

from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.errors import StorageProblem
from pileus.object_store.features.version_lists import MARKER, NULL, Row, hidden_container, version_of
from pileus.object_store.features.versions import ENABLED, GONE
from pileus.object_store.models.conditions import unmet
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Claim, Landed, true
from pileus.object_store.proxy.claiming import Claiming, Contended
from pileus.object_store.proxy.parts import finished
from pileus.object_store.s3.acls import require_plain_acl
from pileus.object_store.s3.bodies import Verified
from pileus.object_store.s3.call import Call, segments_of
from pileus.object_store.s3.checksums import DEFAULT, FULL, HEADER, SIZES, Checksum
from pileus.object_store.s3.described import (
    CHECKSUM,
    UPLOAD,
    conditions_of,
    etag_of,
    overridden,
    said_of,
    shown,
    version_asked,
    version_header,
    version_told,
)
from pileus.object_store.s3.encryption import sealed_header
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.locks import bypass_of, lock_of
from pileus.object_store.s3.tags import tags_of_header


async def object_put(call: Call) -> Answer:
    """The object is kept."""
    names = tuple(name for name in SIZES if call.header(f"{HEADER}{name}")) or _trailing(call)
    body = call.opened(() if names else (DEFAULT,))
    if body.length is None:
        raise S3Error("MissingContentLength")
    return await object_keep(call, body, names)


async def object_keep(call: Call, body: Verified, names: tuple[str, ...]) -> Answer:
    """The body is the object, described as the request says."""
    headers = said_of(call) | tags_of_header(call) | lock_of(call)
    require_plain_acl(call)
    if body.length is None:
        headers["transfer-encoding"] = "chunked"
    before = await replaced(call)

    def late(_landed: Landed) -> dict[str, str]:
        sum = chosen(body, names)
        return {CHECKSUM: sum.text} if sum is not None else {}

    async with conditional(call, body) as said:
        ask = call.ask("PUT", call.object, headers={**headers, **said}, body=body)
        answer = await call.tell(msgspec.structs.replace(ask, late=late))
    await forget_parts(call, call.object, before)
    told = {"etag": f'"{answer.headers["etag"].strip(chr(34))}"', "content-length": "0"}
    sum = chosen(body, names)
    if sum is not None:
        told |= {f"{HEADER}{sum.name}": sum.value, f"{HEADER}type": sum.of}
    return Answer(headers=told | version_header(answer.headers) | sealed_header(answer.headers))


def _trailing(call: Call) -> tuple[str, ...]:
    name = call.header("x-amz-trailer").strip().lower().removeprefix(HEADER)
    return (name,) if name in SIZES else ()


def chosen(body: Verified, names: tuple[str, ...]) -> Checksum | None:
    """The sum that is kept: the client's, or our own."""
    name = names[0] if names else DEFAULT
    return Checksum(name, body.checksums[name], FULL) if name in body.checksums else None


@asynccontextmanager
async def conditional(call: Call, body: Verified | None = None) -> AsyncIterator[dict[str, str]]:
    """Inside, a write happens only if If-Match or If-None-Match hold; yields what the engine is to be told.

    Conditions are held against what is there before the body is read, so that nobody sends bytes in vain, and again when it
    has been. Between that and the write nobody else writes the object, over whichever controller.
    """
    wanted = conditions_of(call)
    match, none = wanted.get("if-match"), wanted.get("if-none-match")
    if match is None and none is None:
        yield {}
        return
    if none is not None and none.strip() != "*":
        raise S3Error("NotImplemented", "If-None-Match of a write only takes *.")
    await _require(call, match)
    async with claimed(call, call.object) as take:

        async def last() -> None:
            await take()
            await _require(call, match)

        if body is not None:
            body.last = last
        else:
            await last()
        yield {"if-none-match": "*"} if none is not None else {}


@asynccontextmanager
async def claimed(call: Call, path: Path) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Inside, the call writes the path under a claim, which has to be taken by calling what is yielded."""
    bucket = await call.app.cluster.container(path)
    if bucket is None:
        raise S3Error("NoSuchBucket", about={"BucketName": str(path.container)})
    claim = Claim.fresh(path)
    claiming = Claiming(call.app.cluster, claim, bucket.policy)

    async def take() -> None:
        try:
            await claiming.take()
        except Contended as others:
            raise S3Error("ConditionalRequestConflict") from others
        except StorageProblem as away:
            raise S3Error("ServiceUnavailable") from away

    call.claim = claim
    try:
        yield take
    finally:
        call.claim = None
        await claiming.release()


async def _require(call: Call, match: str | None) -> None:
    """The object is as a write wants it: there with this tag, or not there at all."""
    await call.writable()
    now = await _current(call, newest=True)
    if match is None:
        if now is not None:
            raise S3Error("PreconditionFailed", about={"Condition": "If-None-Match"})
        return
    if now is None:
        raise S3Error("NoSuchKey", about={"Key": str(call.request.key)})
    if unmet({"if-match": match}, frozenset({etag_of(now.headers)}), "") is not None:
        raise S3Error("PreconditionFailed", about={"Condition": "If-Match"})


async def _current(call: Call, version: str | None = None, *, newest: bool = False) -> Answer | None:
    """The newest version, or one, by the cloud's own eyes: who may write need not be able to read.

    `newest` asks all devices and not just the first that answers; raises S3Error when they cannot be asked.
    """
    ask = call.ask(
        "HEAD",
        call.object,
        headers={"x-newest": "true"} if newest else None,
        query={"version-id": version} if version is not None else None,
    )
    answer = await call.app.pipeline(msgspec.structs.replace(ask, permit=lambda _ask, _guards: None))
    await answer.close()
    if newest and not answer.ok and answer.status != 404:
        raise await call.refusal(ask, answer)
    return answer if answer.ok else None


async def replaced(call: Call) -> str:
    """The upload that made what is there, if it goes when the object is written or deleted; else empty."""
    bucket = await call.app.cluster.container(call.object)
    if bucket is None or true(bucket.metadata.get(ENABLED, "")):
        return ""
    if await call.app.cluster.container(segments_of(call.bucket)) is None:
        return ""
    # Where versions are suspended, only the null version goes; what is there now may be one that stays.
    now = await _current(call, NULL if ENABLED in bucket.metadata else None)
    return now.headers.get(UPLOAD, "") if now is not None else ""


async def forget_parts(call: Call, path: Path, upload: str) -> None:
    """The parts of an upload whose object is gone are gone too."""
    if not upload:
        return
    top = segments_of(path)
    while True:
        raw = await call.listing(top, {"prefix": f"{upload}/", "limit": "1000"}, cloud=True)
        rows = msgspec.json.decode(raw, type=list[Row])
        if not rows:
            return
        for row in rows:
            ask = call.ask("DELETE", Path(top.account, top.container, row.name)).by_cloud()
            gone = await call.app.pipeline(ask)
            if not gone.ok and gone.status != 404:
                return  # its bytes stay; the object is gone all the same


async def object_get(call: Call) -> Answer:
    """The object, or the part of it that was asked for."""
    ranged = {name: call.header(name) for name in ("range", "if-range") if call.header(name)}
    query = _query(call)
    ask = call.ask(call.request.method, call.object, headers=conditions_of(call) | ranged, query=query)
    answer = await call.app.pipeline(ask)
    if answer.status >= 400:
        raise await _not_got(call, answer, query)
    told = shown(call, answer)
    if "partNumber" in call.request.query:
        told |= _part(call, answer)
    overridden(call, told)
    if isinstance(answer.body, bytes):
        return Answer(status=answer.status, headers=told, body=answer.body)
    return _require_got(call, told, await finished(ask, Answer(status=answer.status, headers=told, body=answer.body)))


def _require_got(call: Call, told: Mapping[str, str], done: Answer) -> Answer:
    """The answer, unless a condition does not hold or there is no such range."""
    if done.status == 412:
        raise S3Error("PreconditionFailed", headers={"etag": told["etag"]})
    if done.status == 416:
        raise S3Error(
            "InvalidRange",
            about={"RangeRequested": call.header("range"), "ActualObjectSize": told.get("content-length", "")},
            headers={"content-range": done.headers.get("content-range", "")},
        )
    if done.status in {206, 304}:
        # The sum is of the whole, and a client would hold it against the part, or the nothing, that it gets.
        for name in [name for name in done.headers if name.startswith(HEADER)]:
            del done.headers[name]
    return done


def _query(call: Call) -> dict[str, str]:
    query = {}
    version = version_asked(call)
    if version is not None:
        query["version-id"] = version
    if "partNumber" in call.request.query:
        number = call.request.query["partNumber"]
        if not (number.isascii() and number.isdigit() and len(number) < 6 and 1 <= int(number) <= 10_000):
            raise S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
        if call.header("range"):
            raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        query["part-number"] = str(int(number))
    return query


def _part(call: Call, answer: Answer) -> dict[str, str]:
    """What a part says besides: which bytes it is, and of how many."""
    number, count = int(call.request.query["partNumber"]), answer.headers.get("x-parts-count", "1")
    if number > int(count):
        raise S3Error("InvalidPartNumber")
    told = {"x-amz-mp-parts-count": count} if answer.status == 206 else {}
    if "content-range" in answer.headers:
        told["content-range"] = answer.headers["content-range"]
    return told


async def _not_got(call: Call, answer: Answer, query: Mapping[str, str]) -> S3Error:
    if answer.status == 416 and "part-number" in query:
        await answer.close()
        return S3Error("InvalidPartNumber")
    if answer.status != 404:
        return await call.refusal(call.ask("GET", call.object, query=query), answer)
    id = query.get("version-id")
    if id is not None and GONE in answer.headers:
        await answer.close()
        return S3Error(
            "MethodNotAllowed", headers={"x-amz-delete-marker": "true", "x-amz-version-id": id, "allow": "DELETE"}
        )
    wrong = await call.refusal(call.ask("GET", call.object, query=query), answer)
    if wrong.code == "NoSuchKey":
        wrong.headers |= await _marker(call)
        try:
            await call.readable()
        except S3Error as denied:
            return denied
    return wrong


async def _marker(call: Call) -> dict[str, str]:
    """That the newest version is a delete marker, if it is."""
    facts = await call.facts()
    if ENABLED not in facts.metadata:
        return {}
    query = {"prefix": f"\0{call.request.key}\0", "limit": "1"}
    rows = msgspec.json.decode(await call.listing(hidden_container(call.bucket), query, cloud=True), type=list[Row])
    if not rows or rows[0].content_type != MARKER:
        return {}
    id = NULL if rows[0].versions_null else version_of(rows[0].name.rpartition("\0")[2])
    return {"x-amz-delete-marker": "true", "x-amz-version-id": id}


async def object_delete(call: Call) -> Answer:
    """The object is gone, or the version that was named, or a delete marker hides what there was."""
    version = version_asked(call)
    headers = await deleted(call, call.object, version, match=call.header("if-match"))
    return Answer(status=204, headers=headers)


async def deleted(call: Call, path: Path, version: str | None, *, match: str = "") -> dict[str, str]:
    """The object or version is gone; return what S3 says of it. That it never was is no error."""
    if match:
        async with claimed(call, path) as take:
            await take()
            await _require_delete(call, path, match)
            return await deleted(call, path, version)
    facts = await call.facts()
    gone = await _doomed(call, path, version, facts)
    query = {"version-id": version} if version is not None else {}
    ask = call.ask("DELETE", path, headers=bypass_of(call), query=query)
    answer = await call.app.pipeline(ask)
    if answer.status == 400 and version is not None and ENABLED not in facts.metadata:
        return {"x-amz-version-id": version}  # a bucket without versions has none of that name
    if answer.status != 404 and not answer.ok:
        raise await call.refusal(ask, answer)
    await answer.close()
    if version is not None and answer.ok:
        await _brought_back(call, path)
    if gone is not None and answer.ok:
        await forget_parts(call, path, gone.headers.get(UPLOAD, ""))
    if version is not None:
        marked = {"x-amz-delete-marker": "true"} if answer.ok and gone is None else {}
        return {"x-amz-version-id": version, **marked}
    id = version_told(answer.headers)
    return {} if id is None else {"x-amz-version-id": id, "x-amz-delete-marker": "true"}


async def _brought_back(call: Call, path: Path) -> None:
    """Once a version or a marker is gone, the newest that is left is the object; the Swift API leaves that to its clients."""
    now = await call.app.pipeline(call.ask("HEAD", path, query={"symlink": "get"}).by_cloud())
    await now.close()
    if now.status != 404:
        return
    query = {"prefix": f"\0{path.object}\0", "limit": "1"}
    rows = msgspec.json.decode(await call.listing(hidden_container(path.above), query, cloud=True), type=list[Row])
    if rows and rows[0].content_type != MARKER:
        id = version_of(rows[0].name.rpartition("\0")[2])
        await call.tell(call.ask("PUT", path, query={"version-id": id}))


async def _require_delete(call: Call, path: Path, match: str) -> None:
    ask = call.ask("HEAD", path, headers={"x-newest": "true"})
    now = await call.app.pipeline(ask)
    await now.close()
    if now.status == 404:
        raise S3Error("NoSuchKey", about={"Key": str(path.object)})
    if not now.ok:
        raise await call.refusal(ask, now)
    if unmet({"if-match": match}, frozenset({etag_of(now.headers)}), "") is not None:
        raise S3Error("PreconditionFailed", about={"Condition": "If-Match"})


async def _doomed(call: Call, path: Path, version: str | None, facts: ContainerFacts) -> Answer | None:
    """What is known of the bytes that a DELETE will remove; None when it removes none, as with a marker."""
    if version is None and true(facts.metadata.get(ENABLED, "")):
        return None
    if version is None and await call.app.cluster.container(segments_of(path)) is None:
        return None
    if version is None and ENABLED in facts.metadata:
        version = NULL  # where they are suspended, those that have ids stay
    ask = call.ask("HEAD", path, query={"version-id": version} if version is not None else None)
    answer = await call.app.pipeline(msgspec.structs.replace(ask, permit=lambda _ask, _guards: None))
    await answer.close()
    return answer if answer.ok else None

"""Static large objects: a manifest names segments with their tags and sizes, and reading it reads them as one.

PUT ?multipart-manifest=put looks at every segment; GET reads them, ?multipart-manifest=get the manifest; DELETE with
?multipart-manifest=delete removes the segments too.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from pileus.object_store.errors import StorageProblem
from pileus.object_store.features.bulk import delete_all
from pileus.object_store.features.segments import AtHand, Composite, Piece, content_of
from pileus.object_store.models.manifests import Entry, WrongManifest, as_client, etag_of, parsed
from pileus.object_store.models.paths import Path, object_path
from pileus.object_store.models.ranges import ranges_of
from pileus.object_store.models.stamps import iso
from pileus.object_store.proxy.asks import Answer, Ask, Bytes, Content, Handler, Landed, Refused, answered, true, whole
from pileus.object_store.proxy.kept import LISTED

MARK = "x-static-large-object"
ETAG, SIZE = "x-object-sysmeta-slo-etag", "x-object-sysmeta-slo-size"
KNOWN = "x-backend-manifest-known"  # the manifest is of segments that were looked at already, in the form it is kept in
DEEPEST = 10
AT_ONCE = 4
JSON = "application/json; charset=utf-8"


class StaticLargeObjects:
    """Writes, reads and deletes what manifests stand for."""

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """The large object in place of its manifest, unless that is asked for."""
        manifest = ask.query.get("multipart-manifest")
        if ask.path.depth != 3:
            return await rest(ask)
        if ask.method == "PUT":
            return await self._put(ask, rest) if manifest == "put" else await rest(_unmarked(ask))
        if ask.method == "DELETE" and manifest == "delete":
            return await self._delete(ask, rest)
        if ask.method in {"GET", "HEAD"}:
            return await self._get(ask, rest, 0)
        return await rest(ask)

    async def _get(self, ask: Ask, rest: Handler, depth: int) -> Answer:
        answer = await rest(ask)
        if not answer.ok or not true(answer.headers.get(MARK, "")):
            if "part-number" in ask.query and answer.ok:
                answer.headers["x-parts-count"] = "1"
            return answer
        if ask.query.get("multipart-manifest") == "get":
            return await self._manifest(ask, answer)
        if ask.method == "HEAD" and ETAG in answer.headers and "part-number" not in ask.query:
            entries = []
            size = int(answer.headers[SIZE])
        else:
            entries = _entries(await self._raw(ask, answer, rest))
            size = sum(entry.part[1] for entry in entries)
        etag = answer.headers.get(ETAG) or etag_of(entries)
        headers = {
            **answer.headers,
            "etag": f'"{etag}"',
            "content-length": str(size),
            "x-manifest-etag": answer.headers["etag"],
        }
        if "part-number" in ask.query:
            return self._part(ask, rest, headers, entries, depth)
        if not entries:
            await answer.close()
            return (
                Answer(headers=headers, body=AtHand(b"")) if size == 0 else Answer(headers=headers, body=_Sized(size))
            )
        pieces = [self._piece(ask, rest, entry, depth) for entry in entries]
        first = await self._first(pieces) if ask.method == "GET" and "range" not in ask.headers else None
        return Answer(headers=headers, body=Composite(pieces, first))

    async def _raw(self, ask: Ask, answer: Answer, rest: Handler) -> bytes:
        if ask.method == "GET":
            return await answer.bytes()
        await answer.close()
        _, raw = await whole(rest, ask.again("GET", ask.path, query=ask.query))
        return raw

    async def _manifest(self, ask: Ask, answer: Answer) -> Answer:
        """The manifest itself."""
        headers = {**answer.headers, "content-type": JSON}
        if ask.query.get("format") != "raw" or ask.method == "HEAD":
            return Answer(headers=headers, body=answer.body)
        raw = as_client(_entries(await answer.bytes()))
        return Answer(headers={**headers, "content-length": str(len(raw))}, body=AtHand(raw))

    def _part(self, ask: Ask, rest: Handler, headers: dict[str, str], entries: list[Entry], depth: int) -> Answer:
        """One segment, by its number."""
        text = ask.query["part-number"]
        if not text.isdigit() or int(text) < 1:
            raise Refused(400, "Part number must be an integer greater than 0")
        if "range" in ask.headers:
            raise Refused(400, "Range requests are not supported with part number queries")
        number = int(text)
        if number > len(entries):
            raise Refused(416, headers={"x-parts-count": str(len(entries))})
        start = sum(entry.part[1] for entry in entries[: number - 1])
        size = entries[number - 1].part[1]
        total = sum(entry.part[1] for entry in entries)
        told = {
            "content-length": str(size),
            "content-range": f"bytes {start}-{start + size - 1}/{total}",
            "x-parts-count": str(len(entries)),
        }
        return Answer(
            status=206,
            headers={**headers, **told},
            body=Composite([self._piece(ask, rest, entries[number - 1], depth)]),
        )

    async def _first(self, pieces: list[Piece]) -> Content | None:
        """The first segment, open: what is wrong with it is told before anything is sent."""
        if pieces[0].open is None:
            return None
        try:
            return await pieces[0].open()
        except StorageProblem as wrong:
            raise Refused(409, wrong.message) from wrong

    def _piece(self, ask: Ask, rest: Handler, entry: Entry, depth: int) -> Piece:
        start, size = entry.part
        if entry.data:
            return Piece(size, None, entry.inline)
        path = object_path(entry.name, ask.path.account)

        async def open_it() -> Content:
            if path is None or depth >= DEEPEST:
                raise StorageProblem(f"Large objects are nested more than {DEEPEST} deep.")
            asked = ask.again("GET", path)
            try:
                answer = await (self._get(asked, rest, depth + 1) if entry.sub_slo else rest(asked))
            except Refused as refused:
                raise StorageProblem(f"Segment {entry.name} answers {refused.answer.status}.") from refused
            found = content_of(answer)
            if not answer.ok or answer.headers.get("etag", "").strip('"') != entry.hash or found.size != entry.bytes:
                await answer.close()
                raise StorageProblem(f"Segment {entry.name} is not what the manifest says any more.")
            return _From(found, start, size) if entry.range else found

        return Piece(size, open_it)

    async def _put(self, ask: Ask, rest: Handler) -> Answer:
        if ask.body.length is None and "chunked" not in ask.headers.get("transfer-encoding", ""):
            raise Refused(411)
        if ask.headers.pop(KNOWN, ""):
            return await self._keep(ask, rest, _entries(b"".join([chunk async for chunk in ask.body])))
        try:
            given = parsed(b"".join([chunk async for chunk in ask.body]))
        except WrongManifest as wrong:
            raise Refused(wrong.status, str(wrong)) from wrong
        gate = asyncio.Semaphore(AT_ONCE)

        async def look(one: dict[str, object]) -> tuple[Entry | None, str]:
            async with gate:
                return await self._look(ask, rest, one)

        found = await asyncio.gather(*(look(one) for one in given))
        unfit = [(str(one.get("path", "")), why) for one, (_, why) in zip(given, found, strict=True) if why]
        if unfit:
            raise Refused(400, "Errors:\n" + "\n".join(f"{name}, {why}" for name, why in unfit))
        entries = [entry for entry, _ in found if entry is not None]
        return await self._keep(ask, rest, entries)

    async def _keep(self, ask: Ask, rest: Handler, entries: list[Entry]) -> Answer:
        etag, size = etag_of(entries), sum(entry.part[1] for entry in entries)
        given = ask.headers.get("etag", "").strip('"')
        if given and given != etag:
            raise Refused(422)
        raw = msgspec.json.encode(entries)
        headers = {name: value for name, value in ask.headers.items() if name not in {"etag", "transfer-encoding"}}
        headers |= {
            MARK: "True",
            ETAG: etag,
            SIZE: str(size),
            f"{LISTED}size": str(size),
            "content-length": str(len(raw)),
        }
        before = ask.late

        def late(landed: Landed) -> dict[str, str]:
            told = dict(before(landed)) if before is not None else {}
            own = f"{landed.etag}; slo_etag={etag}"
            return {f"{LISTED}etag": own, **told}

        kept = msgspec.structs.replace(ask, headers=headers, query={}, body=Bytes(raw), late=late)
        answer = await rest(kept)
        if answer.ok:
            answer.headers["etag"] = f'"{etag}"'
        return answer

    async def _look(self, ask: Ask, rest: Handler, one: dict[str, object]) -> tuple[Entry | None, str]:
        """The entry of a segment as it is, or what is wrong with it."""
        if "data" in one:
            return Entry(data=str(one["data"])), ""
        path = object_path(str(one["path"]), ask.path.account)
        if path is None:
            return None, "404 Not Found"
        if path == ask.path:
            return None, "Manifest file cannot reference itself"  # it would replace one of its own segments
        answer = await answered(lambda asked: self._get(asked, rest, 1), ask.again("HEAD", path))
        await answer.close()
        if not answer.ok:
            return None, f"{answer.status} {_reason(answer.status)}"
        return _fitting(one, answer.headers)

    async def _delete(self, ask: Ask, rest: Handler) -> Answer:
        paths = [*await self._all(ask, rest, ask.path, 0)]
        answer = await delete_all(ask, rest, paths)
        if true(ask.query.get("async", "")) and b"400" not in await answer.bytes():
            return Answer(status=204, headers={"content-type": "text/html; charset=UTF-8"})
        return answer

    async def _all(self, ask: Ask, rest: Handler, path: Path, depth: int) -> list[Path]:
        """All segments below a manifest, and itself last."""
        answer, raw = await whole(rest, ask.again("GET", path))
        if answer.status in {401, 403}:
            raise Refused(answer.status)
        if not answer.ok or not true(answer.headers.get(MARK, "")) or depth >= DEEPEST:
            return [path]
        found: list[Path] = []
        for entry in _entries(raw):
            segment = object_path(entry.name, path.account)
            if segment is not None and not entry.data:
                found += await self._all(ask, rest, segment, depth + 1) if entry.sub_slo else [segment]
        return [*found, path]


def _fitting(one: dict[str, object], headers: dict[str, str]) -> tuple[Entry | None, str]:
    """The entry of a segment that has these headers, or what of it the client got wrong."""
    size, etag = int(headers["content-length"]), headers["etag"].strip('"')
    if one["etag"] is not None and one["etag"] != etag:
        return None, "Etag Mismatch"
    if one["size_bytes"] is not None and one["size_bytes"] != size:
        return None, "Size Mismatch"
    if size == 0:
        return None, "Too Small; each segment must be at least 1 byte."
    text = ""
    if one["range"]:
        parts = ranges_of(f"bytes={one['range']}", size)
        if not parts:
            return None, "Unsatisfiable Range"
        text = f"{parts[0].start}-{parts[0].start + parts[0].length - 1}" if parts[0].length != size else ""
    return Entry(
        name=str(one["path"]),
        hash=etag,
        bytes=size,
        content_type=headers.get("content-type", ""),
        last_modified=iso(headers["x-timestamp"]),
        range=text,
        sub_slo=true(headers.get(MARK, "")),
    ), ""


class _From:
    """Part of a segment."""

    def __init__(self, content: Content, start: int, size: int) -> None:
        self._content = content
        self._start = start
        self.size = size

    def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        return self._content.read(self._start + start, length)

    async def close(self) -> None:
        await self._content.close()


class _Sized(AtHand):
    """The size of what a HEAD does not read."""

    def __init__(self, size: int) -> None:
        super().__init__(b"")
        self.size = size


def _entries(raw: bytes) -> list[Entry]:
    try:
        return msgspec.json.decode(raw, type=list[Entry])
    except (msgspec.DecodeError, msgspec.ValidationError) as bad:
        raise Refused(500, "The manifest cannot be read.") from bad


def _unmarked(ask: Ask) -> Ask:
    """Only a manifest that was looked at makes a large object."""
    if MARK not in ask.headers:
        return ask
    return msgspec.structs.replace(ask, headers={name: value for name, value in ask.headers.items() if name != MARK})


def _reason(status: int) -> str:
    return {404: "Not Found", 403: "Forbidden", 401: "Unauthorized"}.get(status, "Error")

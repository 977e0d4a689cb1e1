"""Many things at once: an archive unpacked into objects (?extract-archive), a list of names deleted (?bulk-delete).

Both answer 200 with what became of each; the archive is unpacked as it comes, in a thread, and never held whole.
"""

import asyncio
import tarfile
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import IO
from urllib.parse import unquote

import msgspec

from pileus.object_store.models.listings import content_type
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import REASONS, Answer, Ask, Body, Handler, Refused, answered

MOST_DELETES, MOST_CONTAINERS, MOST_FAILURES = 10_000, 10_000, 1_000
LONGEST_NAME = 2 * (256 + 1024)
KINDS = {"tar": "r|", "tar.gz": "r|gz", "tar.bz2": "r|bz2"}
CHUNK = 1 << 18


class Outcome(msgspec.Struct):
    """What became of each of many things."""

    counts: dict[str, int]
    body: str = ""
    status: str = ""
    errors: list[tuple[str, str]] = []

    def answer(self, kind: str) -> Answer:
        """As JSON, XML or text."""
        told = {"Response Status": self.status, "Response Body": self.body, **self.counts, "Errors": self.errors}
        if kind == "application/json":
            return Answer(headers={"content-type": kind}, body=msgspec.json.encode(told))
        lines = [f"{name}: {value}" for name, value in told.items() if name != "Errors"]
        if kind.endswith("xml"):
            inner = "".join(f"<{_tag(name)}>{value}</{_tag(name)}>" for name, value in told.items() if name != "Errors")
            failed = "".join(f"<object><name>{name}</name><status>{why}</status></object>" for name, why in self.errors)
            root = "delete" if "Number Deleted" in self.counts else "extract"
            text = f"<{root}>{inner}<errors>{failed}</errors></{root}>"
            return Answer(headers={"content-type": kind}, body=text.encode())
        lines += ["Errors:", *(f"{name}, {why}" for name, why in self.errors)]
        return Answer(headers={"content-type": "text/plain; charset=UTF-8"}, body="\n".join(lines).encode())


class Bulk:
    """Answers ?extract-archive and ?bulk-delete."""

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """What became of each of the many."""
        if "extract-archive" in ask.query and ask.method == "PUT":
            return await self._extract(ask, rest)
        if "bulk-delete" in ask.query and ask.method in {"POST", "DELETE"}:
            return await delete_all(ask, rest, await _names(ask))
        return await rest(ask)

    async def _extract(self, ask: Ask, rest: Handler) -> Answer:
        mode = KINDS.get(ask.query["extract-archive"].lower())
        if mode is None:
            raise Refused(400, "Unsupported archive format; there are: " + ", ".join(KINDS))
        if ask.body.length is None and "chunked" not in ask.headers.get("transfer-encoding", "").lower():
            raise Refused(411)
        outcome = Outcome({"Number Files Created": 0}, status="201 Created")
        made: set[Path] = set()
        try:
            async for member in _Archive(ask.body, mode):
                await self._member(ask, rest, member, outcome, made)
                if len(outcome.errors) >= MOST_FAILURES:
                    outcome.body = "There were too many errors."
                    break
        except (tarfile.TarError, OSError, EOFError) as bad:
            outcome.status, outcome.body = "400 Bad Request", f"Invalid Tar File: {bad}"
        if outcome.errors:
            outcome.status = "400 Bad Request"
            worst = max(why for _, why in outcome.errors)
            outcome.status = worst if worst.startswith(("401", "5")) else outcome.status
        elif outcome.status.startswith("201") and not outcome.counts["Number Files Created"]:
            outcome.status, outcome.body = "400 Bad Request", "Invalid Tar File: No Valid Files"
        return outcome.answer(_kind(ask))

    async def _member(self, ask: Ask, rest: Handler, member: "Member", outcome: Outcome, made: set[Path]) -> None:
        above = "/".join(part for part in (ask.path.container, ask.path.object) if part)
        name = member.name.removeprefix("./").lstrip("/")
        container, _, rest_name = (f"{above.rstrip('/')}/{name}" if above else name).partition("/")
        if not container or not rest_name:
            return
        path = Path(ask.path.account, container, rest_name)
        if path.above not in made and len(made) < MOST_CONTAINERS:
            answer = await answered(rest, ask.again("PUT", path.above))
            if not answer.ok and answer.status not in {401, 403}:
                outcome.errors.append((path.above.quoted, _status(answer)))
                return
            made.add(path.above)
        answer = await answered(rest, ask.again("PUT", path, headers=member.headers, body=member))
        if answer.ok:
            outcome.counts["Number Files Created"] += 1
        else:
            outcome.errors.append((path.quoted, _status(answer)))


class Member:
    """A file of an archive, and the body of the object it becomes."""

    def __init__(self, found: tarfile.TarInfo, file: IO[bytes]) -> None:
        self.name = found.name
        self.length: int | None = found.size
        self._file = file
        self.headers = {"content-length": str(found.size)}
        for key, value in found.pax_headers.items():
            low = key.lower()
            if low.endswith("user.mime_type"):
                self.headers["content-type"] = value
            elif ".user.meta." in low:
                self.headers[f"x-object-meta-{low.partition('.user.meta.')[2]}"] = value

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await asyncio.to_thread(self._file.read, CHUNK):
            yield chunk


class _Archive:
    """Reads an archive in a thread, from bytes that come in the event loop."""

    def __init__(self, body: Body, mode: str) -> None:
        self._pipe = _Pipe(aiter(body), asyncio.get_running_loop())
        self._mode = mode

    async def __aiter__(self) -> AsyncIterator[Member]:
        file = await asyncio.to_thread(self._open)
        try:
            while (member := await asyncio.to_thread(_next, file)) is not None:
                yield member
        finally:
            file.close()

    def _open(self) -> tarfile.TarFile:
        return tarfile.open(fileobj=self._pipe, mode=self._mode)  # type: ignore[call-overload, no-any-return]


def _next(archive: tarfile.TarFile) -> Member | None:
    while (found := archive.next()) is not None:
        file = archive.extractfile(found) if found.isfile() else None
        if file is not None:
            return Member(found, file)
    return None


class _Pipe:
    """A body as a file that a thread reads: it asks the event loop for more."""

    def __init__(self, chunks: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._chunks = chunks
        self._loop = loop
        self._held = bytearray()

    def read(self, size: int) -> bytes:
        """So many bytes, fewer at the end."""
        while len(self._held) < size:
            chunk = asyncio.run_coroutine_threadsafe(self._more(), self._loop).result()
            if not chunk:
                break
            self._held += chunk
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    async def _more(self) -> bytes:
        return await anext(self._chunks, b"")


async def delete_all(ask: Ask, rest: Handler, paths: Sequence[Path | None]) -> Answer:
    """What became of deleting each; None stands for a name that is none."""
    outcome = Outcome({"Number Deleted": 0, "Number Not Found": 0}, status="200 OK")
    if not paths:
        outcome.status, outcome.body = "400 Bad Request", "Invalid bulk delete."
    for path in paths:
        if path is None:
            outcome.errors.append(("", "412 Precondition Failed"))
            continue
        query = {"version-id": ask.query["version-id"]} if "version-id" in ask.query else {}
        answer = await answered(rest, ask.again("DELETE", path, query=query))
        await answer.close()
        if answer.ok:
            outcome.counts["Number Deleted"] += 1
        elif answer.status == 404:
            outcome.counts["Number Not Found"] += 1
        else:
            outcome.errors.append((path.quoted.split("/", 2)[2] if path.container else path.quoted, _status(answer)))
        if len(outcome.errors) >= MOST_FAILURES:
            outcome.body = "There were too many errors."
            break
    if outcome.errors:
        outcome.status = "400 Bad Request"
    return outcome.answer(_kind(ask))


async def _names(ask: Ask) -> list[Path | None]:
    """The things a body lists, one a line, each as container or container/object."""
    raw = b""
    async for chunk in ask.body:
        raw += chunk
        if len(raw) > MOST_DELETES * LONGEST_NAME:
            raise Refused(413, f"Maximum Bulk Deletes: {MOST_DELETES} per request")
    lines = [line for line in raw.decode("utf-8", "surrogateescape").split("\n") if line.strip()]
    if len(lines) > MOST_DELETES:
        raise Refused(413, f"Maximum Bulk Deletes: {MOST_DELETES} per request")
    return list(_paths(lines, ask.path.account))


def _paths(lines: Iterable[str], account: str) -> Iterable[Path | None]:
    for line in lines:
        container, slash, name = unquote(line.strip()).lstrip("/").partition("/")
        try:
            f"{container}{name}".encode()
        except UnicodeEncodeError:
            yield None
            continue
        yield Path(account, container, name) if slash and name else Path(account, container)


def _kind(ask: Ask) -> str:
    return content_type(ask.query.get("format"), ask.headers.get("accept", "")) or "text/plain"


def _status(answer: Answer) -> str:
    return f"{answer.status} {REASONS.get(answer.status, 'Error')}"


def _tag(name: str) -> str:
    return name.lower().replace(" ", "_")

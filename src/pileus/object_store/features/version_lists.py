"""How versions are named where they are kept, and how a container lists them.

What a container lists and what is kept of it stand in the same order, by name, so two cursors side by side are all that a page
of versions takes, however many there are.
"""

from collections.abc import AsyncIterator

import msgspec

from pileus.object_store.models.listings import Wanted
from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import of_ticks, ticks_of
from pileus.object_store.proxy.asks import Answer, Ask, Handler, Refused, whole
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.listed import wanted_of

MARKER = "application/x-deleted;swift_versions_deleted=1"
NULL = "null"
BEYOND = "~"  # greater than what ids are made of
IDS = set("0123456789.\0")
LAST = 999_999_999_999_999  # ticks: versions are kept by how far they are from it, so that the newest comes first


def hidden_container(path: Path) -> Path:
    """Where the versions of a container's objects are."""
    return Path(path.account, f"\0versions\0{path.container}")


def hidden_name(name: str, id: str) -> str:
    """What a version of an object is called there; without an id what all of them begin with."""
    return f"\0{name}\0{of_ticks(LAST - ticks_of(id)) if id else ''}"


def version_of(inverted: str) -> str:
    """The id of a version, from the end of its name."""
    return of_ticks(LAST - ticks_of(inverted))


class Row(msgspec.Struct, omit_defaults=True):
    """An entry of a listing, of objects or versions. An object that stands for a version says its id."""

    name: str = ""
    subdir: str = ""
    bytes: int = 0
    hash: str = ""
    content_type: str = ""
    last_modified: str = ""
    symlink_path: str = ""
    versioned: bool = False
    slo_etag: str = ""
    s3_etag: str = ""
    s3_checksum: str = ""
    version_id: str | None = None  # empty: the newest, as objects say that were written before they said which
    versions_null: str = ""  # whether S3 calls this version `null`

    @property
    def key(self) -> str:
        """Where it stands in a listing."""
        return self.name or self.subdir


async def versions_listed(cluster: Cluster, ask: Ask, rest: Handler) -> Answer:
    """All versions of a container's objects, those of one object newest first."""
    wanted = wanted_of(ask, cluster.config.container_listing_limit)
    version = ask.query.get("version_marker", "")
    if version and not wanted.marker:
        raise Refused(400, "version_marker param requires marker")
    shown = await rest(ask.again("HEAD", ask.path))
    if not shown.ok:
        return shown
    walk = _Walk(ask, rest, wanted, version)
    entries: list[dict[str, object]] = []
    async for entry in walk.entries():
        if len(entries) >= wanted.limit:
            break
        if "subdir" not in entry or (entry["subdir"] != wanted.marker and entries[-1:] != [entry]):
            entries.append(entry)
    headers = {name: value for name, value in shown.headers.items() if name != "content-length"}
    kind = {"content-type": "application/json; charset=utf-8", "x-versions-enabled": "True"}
    return Answer(headers={**headers, **kind}, body=msgspec.json.encode(entries))


async def null_of(ask: Ask, rest: Handler) -> str | None:
    """The id of the version of an object that S3 calls `null`; None when no version that is kept is it."""
    query = {"prefix": hidden_name(str(ask.path.object), "")}
    cursor = _Cursor(ask, rest, hidden_container(ask.path), query)
    while (row := await cursor.head()) is not None:
        if row.versions_null:
            return version_of(row.name.rpartition("\0")[2])
        cursor.step()
    return None


class _Cursor:
    """The rows of a container, a page at a time."""

    def __init__(self, ask: Ask, rest: Handler, path: Path, query: dict[str, str]) -> None:
        self._asked = ask.again("GET", path, query={**query, "format": "json"}).by_cloud()
        self._rest = rest
        self._rows: list[Row] = []
        self._at = 0
        self._more = True

    async def head(self) -> Row | None:
        """The next row; None at the end."""
        if self._at == len(self._rows) and self._more:
            answer, body = await whole(self._rest, self._asked)
            self._rows = msgspec.json.decode(body, type=list[Row]) if answer.status == 200 else []
            self._at, self._more = 0, bool(self._rows)
            if self._rows:
                query = {**self._asked.query, "marker": self._rows[-1].key}
                self._asked = msgspec.structs.replace(self._asked, query=query)
        return self._rows[self._at] if self._at < len(self._rows) else None

    def step(self) -> None:
        """The next row is the one after."""
        self._at += 1


class _Walk:
    """A walk along the objects of a container and their versions."""

    def __init__(self, ask: Ask, rest: Handler, wanted: Wanted, version: str) -> None:
        self._ask = ask
        self._rest = rest
        self._wanted = wanted
        self._version = version
        # What may stand in an id as well is looked for here.
        self._inside = wanted.delimiter if set(wanted.delimiter) <= IDS else ""
        delimiter = "" if self._inside else wanted.delimiter
        limit = str(min(wanted.limit + 1, 10_000))
        both = {"limit": limit, "delimiter": delimiter, "reverse": str(wanted.reverse)}
        end = wanted.end_marker
        now = {**both, "prefix": wanted.prefix, "marker": wanted.marker, "end_marker": end}
        kept = {**both, "prefix": f"\0{wanted.prefix}", "marker": self._from()}
        kept["end_marker"] = (f"\0{end}\0{BEYOND}" if wanted.reverse else f"\0{end}") if end else ""
        self._now = _Cursor(ask, rest, ask.path, now)
        self._kept = _Cursor(ask, rest, hidden_container(ask.path), kept)

    def _from(self) -> str:
        """The name behind which the versions begin that are listed."""
        marker, version, reverse = self._wanted.marker, self._version, self._wanted.reverse
        if not marker:
            return ""
        end = marker.find(self._wanted.delimiter, len(self._wanted.prefix)) if self._wanted.delimiter else -1
        if not version and end >= 0 and end + len(self._wanted.delimiter) == len(marker):
            return f"\0{marker}"  # all that begins so was told
        if version and version != NULL:
            return hidden_name(marker, version)
        return f"\0{marker}\0" if reverse or version == NULL else f"\0{marker}\0{BEYOND}"

    async def entries(self) -> AsyncIterator[dict[str, object]]:
        """The entries in their order."""
        if self._version:
            marked = await self._marked()
            async for entry in self._group(self._wanted.marker, marked, resumed=True):
                yield entry
        while True:
            now, kept = await self._now.head(), await self._kept.head()
            keys = [row.key.removeprefix("\0").partition("\0")[0] for row in (now, kept) if row is not None]
            if not keys:
                return
            key = max(keys) if self._wanted.reverse else min(keys)
            if now is not None and now.key == key:
                self._now.step()
            else:
                now = None
            if self._is_subdir(key, now, kept):
                yield {"subdir": key}
                continue
            async for entry in self._group(key, now):
                yield self._above(entry)

    def _is_subdir(self, key: str, now: Row | None, kept: Row | None) -> bool:
        """Whether a key stands for all that begins so; then it is stepped over."""
        below = kept is not None and kept.subdir == f"\0{key}"
        if below:
            self._kept.step()
        return below or (now is not None and bool(now.subdir))

    async def _group(self, name: str, now: Row | None, *, resumed: bool = False) -> AsyncIterator[dict[str, object]]:
        """What there is of one object. A listing that was cut begins behind where it ended."""
        reverse = self._wanted.reverse
        plain = now if now is not None and now.version_id is None else None
        if plain is not None and not reverse and not resumed:
            yield _entry(name, NULL, plain, is_latest=True)
        first = not resumed
        while (kept := await self._kept.head()) is not None and kept.name.startswith(f"\0{name}\0"):
            self._kept.step()
            id = version_of(kept.name.rpartition("\0")[2])
            newest = first
            if reverse:
                following = await self._kept.head()
                newest = following is None or not following.name.startswith(f"\0{name}\0")
            yield _entry(name, id, kept, is_latest=_is_latest(now, id, kept, newest=newest))
            first = False
        if plain is not None and reverse and not (resumed and self._version == NULL):
            yield _entry(name, NULL, plain, is_latest=True)

    async def _marked(self) -> Row | None:
        """The object itself, among whose versions the listing goes on."""
        marker = self._wanted.marker
        row = await _Cursor(self._ask, self._rest, self._ask.path, {"prefix": marker, "limit": "1"}).head()
        return row if row is not None and row.name == marker else None

    def _above(self, entry: dict[str, object]) -> dict[str, object]:
        """The entry, or what all that is below a delimiter is told as."""
        if not self._inside:
            return entry
        name, prefix = str(entry["name"]), self._wanted.prefix
        end = name.find(self._inside, len(prefix))
        return {"subdir": name[: end + len(self._inside)]} if end >= 0 else entry


def _is_latest(now: Row | None, id: str, kept: Row, *, newest: bool) -> bool:
    if now is None:
        return newest and kept.content_type == MARKER
    return now.version_id == id or (now.version_id == "" and newest)


def _entry(name: str, id: str, row: Row, *, is_latest: bool) -> dict[str, object]:
    return {
        "name": name,
        "version_id": id,
        "is_latest": is_latest,
        "bytes": row.bytes,
        "hash": row.hash,
        "content_type": row.content_type,
        "last_modified": row.last_modified,
        **{
            key: value
            for key in ("slo_etag", "s3_etag", "s3_checksum", "versions_null")
            if (value := getattr(row, key))
        },
    }

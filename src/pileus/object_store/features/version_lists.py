"""How versions are named where they are kept, and how a container lists them."""

import msgspec

from pileus.object_store.models.paths import Path
from pileus.object_store.models.stamps import of_ticks, ticks_of
from pileus.object_store.proxy.asks import Answer, Ask, Handler, Refused, whole
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.listed import wanted_of

MARKER = "application/x-deleted;swift_versions_deleted=1"
LAST = 999_999_999_999_999  # ticks: versions are kept by how far they are from it, so that the newest comes first


def hidden_container(path: Path) -> Path:
    """Where the versions of a container's objects are."""
    return Path(path.account, f"\0versions\0{path.container}")


def hidden_name(name: str, id: str) -> str:
    """What a version of an object is called there."""
    return f"\0{name}\0{of_ticks(LAST - ticks_of(id))}"


def version_of(inverted: str) -> str:
    """The id of a version, from the end of its name."""
    return of_ticks(LAST - ticks_of(inverted))


class Row(msgspec.Struct, omit_defaults=True):
    """An entry of a listing, of objects or versions."""

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


async def versions_listed(cluster: Cluster, ask: Ask, rest: Handler) -> Answer:
    """All versions of a container's objects, those of one object newest first."""
    wanted = wanted_of(ask, cluster.config.container_listing_limit)
    if "version_marker" in ask.query and not ask.query.get("marker"):
        raise Refused(400, "version_marker param requires marker")
    shown, first = await whole(rest, ask.again("GET", ask.path, query={**_query(ask), "format": "json"}))
    if shown.status not in {200, 204}:
        return Answer(status=shown.status, headers=shown.headers, body=first)
    current = {row.name: row for row in (msgspec.json.decode(first, type=list[Row]) if first else []) if row.name}
    versions = await _versions(ask, rest, wanted.prefix)
    entries: list[dict[str, object]] = []
    latest: set[str] = set()
    names = sorted({*versions, *current})
    for name in names:
        row = current.get(name)
        kept = versions.get(name, [])
        if row is not None and not any(one.hash == row.hash and one.bytes == row.bytes for _, one in kept[:1]):
            entries.append(_entry(name, "null", row, is_latest=True))
            latest.add(name)
        for id, one in kept:
            newest = name not in latest and (row is not None or one.content_type == MARKER)
            entries.append(_entry(name, id, one, is_latest=newest))
            latest.add(name)
    chosen = [one for one in entries if _after(one, wanted.marker, ask.query.get("version_marker", ""))]
    if wanted.end_marker:
        chosen = [one for one in chosen if str(one["name"]) < wanted.end_marker]
    if wanted.reverse:
        chosen.reverse()
    headers = {name: value for name, value in shown.headers.items() if name != "content-length"}
    kind = {"content-type": "application/json; charset=utf-8", "x-versions-enabled": "True"}
    body = msgspec.json.encode(_grouped(chosen, wanted.prefix, wanted.delimiter)[: wanted.limit])
    return Answer(headers={**headers, **kind}, body=body)


def _query(ask: Ask) -> dict[str, str]:
    return {name: ask.query[name] for name in ("prefix",) if name in ask.query}


async def _versions(ask: Ask, rest: Handler, prefix: str) -> dict[str, list[tuple[str, Row]]]:
    """The versions of each object, newest first."""
    found: dict[str, list[tuple[str, Row]]] = {}
    marker = ""
    while True:
        query = {"format": "json", "prefix": f"\0{prefix}", "marker": marker}
        answer, body = await whole(rest, ask.again("GET", hidden_container(ask.path), query=query).by_cloud())
        rows = msgspec.json.decode(body, type=list[Row]) if answer.status == 200 else []
        for row in rows:
            name, _, inverted = row.name[1:].rpartition("\0")
            found.setdefault(name, []).append((version_of(inverted), row))
        if not rows:
            return found
        marker = rows[-1].name


def _entry(name: str, id: str, row: Row, *, is_latest: bool) -> dict[str, object]:
    return {
        "name": name,
        "version_id": id,
        "is_latest": is_latest,
        "bytes": row.bytes,
        "hash": row.hash,
        "content_type": row.content_type,
        "last_modified": row.last_modified,
        **{key: value for key in ("slo_etag", "s3_etag", "s3_checksum") if (value := getattr(row, key))},
    }


def _after(entry: dict[str, object], marker: str, version: str) -> bool:
    if not marker or str(entry["name"]) > marker:
        return True
    if str(entry["name"]) < marker or not version:
        return False
    if version == "null":
        return entry["version_id"] != "null"
    return entry["version_id"] != "null" and str(entry["version_id"]) < version


def _grouped(entries: list[dict[str, object]], prefix: str, delimiter: str) -> list[dict[str, object]]:
    """What is below a delimiter is told as one."""
    if not delimiter:
        return entries
    found: list[dict[str, object]] = []
    for entry in entries:
        name = str(entry["name"])
        end = name.find(delimiter, len(prefix))
        told: dict[str, object] = {"subdir": name[: end + len(delimiter)]} if end >= 0 else entry
        if not found or found[-1] != told:
            found.append(told)
    return found

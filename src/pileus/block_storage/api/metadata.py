"""Metadata of volumes and of snapshots, which have the same verbs."""

import hashlib
from collections.abc import Callable
from typing import Any, cast

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.api.service import Metadata, api, member, reader, volume_find
from pileus.block_storage.api.snapshots import snapshot_find
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import snapshots as snapshot_commands
from pileus.block_storage.commands import volumes as volume_commands
from pileus.block_storage.models.volumes import Snapshot, Volume
from pileus.kit.http import Call, Reply
from pileus.kit.http.dialect import JSON

VOLUME = "/volumes/{volume_id}/metadata"
SNAPSHOT = "/snapshots/{snapshot_id}/metadata"
Holder = Volume | Snapshot
Edit = Callable[[dict[str, str]], dict[str, str]]
ETAGS = (3, 15)


def _said(call: Call[BlockStorage], body: dict[str, Any]) -> Reply:
    raw = msgspec.json.encode(body)
    headers = {"Content-Type": JSON}
    if call.version >= ETAGS:
        headers["ETag"] = f'"{_digest(raw)}"'
    return Reply(200, raw, headers)


def _digest(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def _known(call: Call[BlockStorage], holder: Holder, metadata: dict[str, str]) -> None:
    """Raise MetadataChanged if the caller knew another state of it."""
    known = call.headers.get("if-match")
    if known is None or call.version < ETAGS or known.strip() == "*":
        return
    if _digest(msgspec.json.encode({"metadata": metadata})) not in known:
        raise errors.MetadataChanged(id=holder.id)


async def _edit(call: Call[BlockStorage], holder: Holder, edit: Edit) -> dict[str, str]:
    """The metadata is what `edit` makes of it as it is now, which is not what was read when the request came."""
    if isinstance(holder, Volume):
        return await volume_commands.edit_metadata(call.app, holder, edit)
    return await snapshot_commands.edit_metadata(call.app, holder, edit)


def _item(holder: Holder, metadata: dict[str, str], key: str) -> str:
    if key not in metadata:
        what = "Volume" if isinstance(holder, Volume) else "Snapshot"
        raise errors.MetadataNotFound(what=what, id=holder.id, key=key)
    return metadata[key]


async def index(call: Call[BlockStorage], holder: Any) -> Reply:
    """List metadata."""
    return _said(call, {"metadata": cast(Holder, holder).metadata})


async def add(call: Call[BlockStorage], holder: Any, body: Metadata) -> Reply:
    """Add to metadata."""

    def added(metadata: dict[str, str]) -> dict[str, str]:
        _known(call, holder, metadata)
        return {**metadata, **body}

    return _said(call, {"metadata": await _edit(call, holder, added)})


async def replace(call: Call[BlockStorage], holder: Any, body: Metadata) -> Reply:
    """Replace metadata."""

    def replaced(metadata: dict[str, str]) -> dict[str, str]:
        _known(call, holder, metadata)
        return body

    return _said(call, {"metadata": await _edit(call, holder, replaced)})


async def show(call: Call[BlockStorage], holder: Any, key: str) -> Reply:
    """Show one item of metadata."""
    return _said(call, {"meta": {key: _item(holder, holder.metadata, key)}})


async def change(call: Call[BlockStorage], holder: Any, key: str, body: Metadata) -> Reply:
    """Set one item of metadata."""
    if list(body) != [key]:
        raise errors.BadRequest(why=f"Request body and URI mismatch: the body must hold '{key}' and nothing else.")
    await _edit(call, holder, lambda metadata: {**metadata, **body})
    return _said(call, {"meta": body})


async def drop(call: Call[BlockStorage], holder: Any, key: str) -> None:
    """Remove one item of metadata."""

    def dropped(metadata: dict[str, str]) -> dict[str, str]:
        _item(holder, metadata, key)
        _known(call, holder, metadata)
        return {name: value for name, value in metadata.items() if name != key}

    await _edit(call, holder, dropped)


def _declare(path: str, rules: tuple[str, str, str, str], find: Any) -> None:
    """The verbs below one path; only the rules and whose metadata it is differ."""
    get, create, update, delete = rules
    api.get(path, reader(get), find=find)(index)
    api.post(path, member(create), find=find, key="metadata", status=200)(add)
    api.put(path, member(update), find=find, key="metadata", on="c")(replace)
    api.get(path + "/{key}", reader(get), find=find)(show)
    api.put(path + "/{key}", member(update), find=find, key="meta", on="c")(change)
    api.delete(path + "/{key}", member(delete), find=find, status=200)(drop)


_declare(
    VOLUME,
    (
        "volume:get_volume_metadata",
        "volume:create_volume_metadata",
        "volume:update_volume_metadata",
        "volume:delete_volume_metadata",
    ),
    volume_find,
)
_declare(
    SNAPSHOT,
    (
        "volume:get_snapshot_metadata",
        "volume:update_snapshot_metadata",
        "volume:update_snapshot_metadata",
        "volume:delete_snapshot_metadata",
    ),
    snapshot_find,
)

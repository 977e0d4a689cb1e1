"""A server's metadata and tags."""

from typing import Annotated

import msgspec

from pileus.compute import errors
from pileus.compute.api.service import Metadata, Tag, api, member, reader, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import servers as commands
from pileus.compute.models.servers import Server
from pileus.kit.http import Call, Reply

METADATA = "/servers/{server_id}/metadata"
TAGS = "/servers/{server_id}/tags"


@api.get(METADATA, reader("server-metadata:index"), find=server_find)
async def index(call: Call[Compute], server: Server) -> dict[str, dict[str, str]]:
    """List a server's metadata."""
    return {"metadata": server.metadata}


@api.post(METADATA, member("server-metadata:create"), key="metadata", find=server_find, status=200)
async def create(call: Call[Compute], server: Server, body: Metadata) -> dict[str, str]:
    """Add to a server's metadata."""
    return await commands.set_metadata(call.app, call.caller, server, {**server.metadata, **body})


@api.put(METADATA, member("server-metadata:update_all"), key="metadata", find=server_find, on="c")
async def replace(call: Call[Compute], server: Server, body: Metadata) -> dict[str, str]:
    """Replace a server's metadata."""
    return await commands.set_metadata(call.app, call.caller, server, body)


@api.get(METADATA + "/{key}", reader("server-metadata:show"), find=server_find)
async def show(call: Call[Compute], server: Server, key: str) -> dict[str, dict[str, str]]:
    """Show one item of a server's metadata."""
    if key not in server.metadata:
        raise errors.NoSuchMetadataItem
    return {"meta": {key: server.metadata[key]}}


@api.put(METADATA + "/{key}", member("server-metadata:update"), key="meta", find=server_find, on="c")
async def update(call: Call[Compute], server: Server, key: str, body: Metadata) -> dict[str, str]:
    """Set one item of a server's metadata."""
    if list(body) != [key]:
        raise errors.BadRequest(why=f"Request body and URI mismatch: the body must hold '{key}' and nothing else.")
    await commands.set_metadata(call.app, call.caller, server, {**server.metadata, **body})
    return body


@api.delete(METADATA + "/{key}", member("server-metadata:delete"), find=server_find)
async def delete(call: Call[Compute], server: Server, key: str) -> None:
    """Remove one item of a server's metadata."""
    if key not in server.metadata:
        raise errors.NoSuchMetadataItem
    rest = {name: value for name, value in server.metadata.items() if name != key}
    await commands.set_metadata(call.app, call.caller, server, rest, "delete metadata")


@api.get(TAGS, reader("os-server-tags:index"), find=server_find, since="2.26")
async def tags_index(call: Call[Compute], server: Server) -> dict[str, list[str]]:
    """List a server's tags."""
    return {"tags": list(server.tags)}


@api.put(TAGS, member("os-server-tags:update_all"), key="tags", find=server_find, since="2.26", on="c")
async def tags_replace(
    call: Call[Compute], server: Server, body: Annotated[list[Tag], msgspec.Meta(max_length=50)]
) -> list[str]:
    """Replace a server's tags."""
    return list(await commands.set_tags(call.app, server, body))


@api.delete(TAGS, member("os-server-tags:delete_all"), find=server_find, since="2.26")
async def tags_clear(call: Call[Compute], server: Server) -> None:
    """Remove all of a server's tags."""
    await commands.set_tags(call.app, server, [], "delete tags")


@api.get(TAGS + "/{tag}", reader("os-server-tags:show"), find=server_find, since="2.26", status=204)
async def tag_show(call: Call[Compute], server: Server, tag: str) -> None:
    """Say whether a server has a tag."""
    if tag not in server.tags:
        raise errors.NoSuchTag(server=server.id, tag=tag)


@api.put(TAGS + "/{tag}", member("os-server-tags:update"), find=server_find, since="2.26", status=204)
async def tag_add(call: Call[Compute], server: Server, tag: str) -> Reply:
    """Give a server a tag."""
    if not 0 < len(tag) <= 60 or "," in tag:
        raise errors.BadRequest(why=f"Tag '{tag}' is invalid: it has 1 to 60 characters and neither / nor a comma.")
    if tag in server.tags:
        return Reply(204)
    await commands.set_tags(call.app, server, [*server.tags, tag])
    return Reply(201, b"", {"Location": call.url(f"/v2.1/servers/{server.id}/tags/{tag}")})


@api.delete(TAGS + "/{tag}", member("os-server-tags:delete"), find=server_find, since="2.26")
async def tag_remove(call: Call[Compute], server: Server, tag: str) -> None:
    """Take a tag from a server."""
    if tag not in server.tags:
        raise errors.NoSuchTag(server=server.id, tag=tag)
    await commands.set_tags(call.app, server, [name for name in server.tags if name != tag], "delete tag")

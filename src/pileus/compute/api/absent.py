"""What clients ask for and this cloud has none of yet: the lists are empty, the things do not exist."""

from typing import Any

from pileus.compute import errors
from pileus.compute.api.service import admin, api, member, reader, server_find
from pileus.compute.app import Compute
from pileus.compute.models.servers import Server
from pileus.kit.http import Call
from pileus.kit.policy import PROJECT_READER, Rule

SHARES = "/servers/{server_id}/shares"


@api.get("/os-baremetal-nodes", admin("os-baremetal-nodes:list"), key="nodes", until="2.35")
async def machines(call: Call[Compute]) -> list[dict[str, Any]]:
    """List machines that are servers themselves, of which there are none."""
    return []


@api.get("/os-baremetal-nodes/{machine}", admin("os-baremetal-nodes:show"), until="2.35")
async def machine_show(call: Call[Compute], machine: str) -> None:
    """Show a machine that is a server itself, of which there are none."""
    raise errors.NoSuchThing(what="Node", id=machine)


@api.get("/servers/{server_id}/topology", Rule("compute:server:topology:index", PROJECT_READER), find=server_find,
         since="2.78")  # fmt: skip
async def topology(call: Call[Compute], server: Server) -> dict[str, Any]:
    """Show a server's NUMA topology; servers here have none."""
    return {"nodes": [], "pagesize_kb": None}


@api.get(SHARES, reader("os-server-shares:index"), key="shares", find=server_find, since="2.97")
async def shares(call: Call[Compute], server: Server) -> list[dict[str, Any]]:
    """List a server's shares, of which there are none yet."""
    return []


@api.post(SHARES, member("os-server-shares:create"), find=server_find, since="2.97")
async def share_create(call: Call[Compute], server: Server) -> None:
    """Give a server a share, which is not offered yet."""
    raise errors.NotOffered(what="shares of servers")


@api.get(SHARES + "/{share}", reader("os-server-shares:show"), find=server_find, since="2.97")
async def share_show(call: Call[Compute], server: Server, share: str) -> None:
    """Show a share of a server, of which there are none yet."""
    raise errors.NoSuchThing(what="Share", id=share)


@api.delete(SHARES + "/{share}", member("os-server-shares:delete"), find=server_find, since="2.97", status=200)
async def share_delete(call: Call[Compute], server: Server, share: str) -> None:
    """Take a share from a server, which has none yet."""
    raise errors.NoSuchThing(what="Share", id=share)

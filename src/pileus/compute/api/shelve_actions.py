"""Actions that put a server away and take it out again."""

from typing import Annotated

from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.move_actions import Anything
from pileus.compute.api.service import ACTION_PATH, Name, admin, api, member, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import shelve as commands
from pileus.compute.models.servers import Server
from pileus.kit.http import Call, F, Wire

TO_HOST = "os_compute_api:os-shelve:unshelve_to_host"
api.declare(admin("os-shelve:unshelve_to_host"))


class Unshelve(Wire):
    """Where a server is to be when it comes back."""

    early_zone: Annotated[Name | UnsetType, F("availability_zone", since="2.77", until="2.90")] = UNSET
    zone: Annotated[Name | UnsetType | None, F("availability_zone", since="2.91")] = UNSET
    host: Annotated[Name | UnsetType, F(since="2.91")] = UNSET


@api.action(ACTION_PATH, "shelve", member("os-shelve:shelve"), find=server_find)
async def shelve(call: Call[Compute], server: Server) -> None:
    """Put a server away: its disk becomes an image, and it takes no room on any host."""
    await commands.shelve_server(call.app, call.caller, server, call.request_id)


@api.action(ACTION_PATH, "shelveOffload", admin("os-shelve:shelve_offload"), find=server_find)
async def shelve_offload(call: Call[Compute], server: Server) -> None:
    """Take a shelved server from its host; here shelving has done that already."""
    await commands.offload_server(call.app, call.caller, server)


@api.action(ACTION_PATH, "unshelve", member("os-shelve:unshelve"), find=server_find, until="2.76")
async def unshelve_somewhere(call: Call[Compute], server: Server, body: Anything | None) -> None:
    """Take a server out again: it boots from its image, with the ports it had."""
    await commands.unshelve_server(call.app, call.caller, server, call.request_id)


@api.action(ACTION_PATH, "unshelve", member("os-shelve:unshelve"), find=server_find, since="2.77")
async def unshelve(call: Call[Compute], server: Server, body: Unshelve | None) -> None:
    """Take a server out again, to a place that may be named: it boots from its image, with the ports it had."""
    wanted = body or Unshelve()
    if body is not None and not body.given():
        raise errors.BadRequest(
            why="Invalid input for field/attribute unshelve. Value: {}. It names a place, or is null."
        )
    zone = wanted.zone if wanted.early_zone is UNSET else wanted.early_zone
    host = None if wanted.host is UNSET else wanted.host
    if host is not None:
        call.require(TO_HOST, {"project_id": server.project_id, "user_id": server.user_id})
    await commands.unshelve_server(call.app, call.caller, server, call.request_id, zone=zone, host=host)

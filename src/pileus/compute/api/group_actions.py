"""Actions that put a server into security groups and take it out of them."""

from typing import Annotated

import msgspec

from pileus.compute.api.service import ACTION_PATH, api, member, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import servers as commands
from pileus.compute.models.servers import Server
from pileus.kit.http import Call, Wire


class Group(Wire):
    """A security group, by name or id."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


@api.action(ACTION_PATH, "addSecurityGroup", member("os-security-groups:add"), find=server_find)
async def group_add(call: Call[Compute], server: Server, body: Group) -> None:
    """Put all ports of a server into a security group."""
    await commands.join_security_group(call.app, call.caller, server, body.name)


@api.action(ACTION_PATH, "removeSecurityGroup", member("os-security-groups:remove"), find=server_find)
async def group_remove(call: Call[Compute], server: Server, body: Group) -> None:
    """Take all ports of a server out of a security group."""
    await commands.leave_security_group(call.app, call.caller, server, body.name)

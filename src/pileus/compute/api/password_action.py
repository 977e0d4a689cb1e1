"""The action that gives a guest's administrator another password."""

from typing import Annotated

from pileus.compute.api.service import ACTION_PATH, api, member, server_find
from pileus.compute.app import Compute
from pileus.compute.commands.passwords import change_password as change
from pileus.compute.models.servers import Server
from pileus.kit.http import Call, F, Wire


class ChangePassword(Wire):
    """The password to be."""

    admin_password: Annotated[str, F("adminPass")]


@api.action(ACTION_PATH, "changePassword", member("os-admin-password"), find=server_find)
async def change_password(call: Call[Compute], server: Server, body: ChangePassword) -> None:
    """Give the administrator of a running guest another password, through the agent in it."""
    await change(call.app, call.caller, server, body.admin_password, call.request_id)

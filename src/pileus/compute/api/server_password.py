"""The password a guest has made for its first user and posted, encrypted with the server's public key."""

from pileus.compute.api.service import api, member, reader, server_find
from pileus.compute.app import Compute
from pileus.compute.models.servers import Server
from pileus.compute.store.servers import server_forget_password
from pileus.kit.http import Call

PASSWORD = "/servers/{server_id}/os-server-password"


@api.get(PASSWORD, reader("os-server-password:show"), find=server_find)
async def password_show(call: Call[Compute], server: Server) -> dict[str, str]:
    """Show the password a guest has posted, encrypted with its server's key."""
    return {"password": server.password or ""}


@api.delete(PASSWORD, member("os-server-password:clear"), find=server_find)
async def password_clear(call: Call[Compute], server: Server) -> None:
    """Forget the password a guest has posted, so that it may post another."""
    await server_forget_password(call.app, server.id)

"""Actions that give a server another disk or another size: rebuild, rescue, resize, and back."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.server_create import (
    Certificates,
    FileGiven,
    HostName,
    Label,
    access_address,
    check_certificates,
)
from pileus.compute.api.server_view import ServerChanged, changed
from pileus.compute.api.service import ACTION_PATH, Metadata, Name, Uuid, api, member, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import power, remake, resize
from pileus.compute.commands.create import trusted
from pileus.compute.models.servers import GivenFile, Server
from pileus.kit.http import Call, F, Wire
from pileus.kit.http.version import version
from pileus.kit.policy import target_of
from pileus.kit.secret import new_secret

Password = Annotated[str, F("adminPass")]
DiskConfig = Annotated[str, msgspec.Meta(pattern=r"^(AUTO|MANUAL)$(?!\n)")]
Description = Annotated[str, msgspec.Meta(max_length=255)] | None
RESCUE_VOLUMES_SINCE, REBUILD_VOLUMES_SINCE = version("2.87"), version("2.93")


class Rebuild(Wire, kw_only=True):
    """What a server is to be made anew from, and what shall be different then."""

    image_id: Annotated[Uuid, F("imageRef")]
    name: Name | UnsetType = UNSET
    admin_password: Annotated[str | None, F("adminPass")] = None
    metadata: Metadata | UnsetType = UNSET
    preserve_ephemeral: bool = False
    disk_config: Annotated[DiskConfig | UnsetType, F("OS-DCF:diskConfig")] = UNSET
    access_ipv4: Annotated[str | UnsetType, F("accessIPv4")] = UNSET
    access_ipv6: Annotated[str | UnsetType, F("accessIPv6")] = UNSET
    files: Annotated[list[FileGiven] | UnsetType, F("personality", until="2.56")] = UNSET
    description: Annotated[Description | UnsetType, F(since="2.19")] = UNSET
    key_name: Annotated[Name | UnsetType | None, F(since="2.54")] = UNSET
    user_data: Annotated[str | UnsetType | None, F(since="2.57")] = UNSET
    certificates: Annotated[Certificates | UnsetType | None, F("trusted_image_certificates", since="2.63")] = UNSET
    early_hostname: Annotated[Label | UnsetType, F("hostname", since="2.90", until="2.93")] = UNSET
    hostname: Annotated[HostName | UnsetType, F(since="2.94")] = UNSET


ROW = (
    "name",
    "metadata",
    "disk_config",
    "access_ipv4",
    "access_ipv6",
    "description",
    "key_name",
    "user_data",
    "hostname",
)


class ServerRebuilt(ServerChanged, kw_only=True):
    """The server that is being rebuilt."""

    admin_password: Annotated[str, F("adminPass")]
    key_name: Annotated[str | None, F(since="2.54")]
    user_data_plain: Annotated[str | None, F("user_data", since="2.57")]
    # Since 2.75 all else that shows a server is in the answer too; its user data is told above, and once.
    user_data: Annotated[str | None, F("OS-EXT-SRV-ATTR:user_data", on="c")]


class Rescue(Wire):
    """What a server is rescued with."""

    admin_password: Annotated[str | None, F("adminPass")] = None
    image_id: Annotated[Uuid | None, F("rescue_image_ref")] = None


class Rescued(Wire):
    """What to log in with, where guests set the password they are given."""

    admin_password: Annotated[str, F("adminPass")]


class Resize(Wire):
    """The size a server is to have."""

    flavor_id: Annotated[Annotated[str, msgspec.Meta(min_length=1)] | int, F("flavorRef")]
    disk_config: Annotated[DiskConfig | UnsetType, F("OS-DCF:diskConfig")] = UNSET


@api.action(ACTION_PATH, "rebuild", member("servers:rebuild"), find=server_find, reply_key="server")
async def rebuild(call: Call[Compute], server: Server, body: Rebuild) -> ServerRebuilt:
    """Make a server anew from an image; it keeps its id, its ports and its addresses."""
    if server.volume_backed and call.version < REBUILD_VOLUMES_SINCE:
        raise errors.BadRequest(why="Unable to rebuild with a different image for a volume-backed server.")
    changes: dict[str, Any] = {name: value for name in ROW if (value := getattr(body, name)) is not UNSET}
    if body.early_hostname is not UNSET:
        changes["hostname"] = body.early_hostname
    for family, name in ((4, "access_ipv4"), (6, "access_ipv6")):
        if name in changes:
            changes[name] = access_address(family, changes[name])
    if body.files is not UNSET:
        changes["files"] = tuple(GivenFile(file.path, file.contents) for file in body.files)
    if body.certificates is not UNSET:
        call.require("os_compute_api:servers:rebuild:trusted_certs", target_of(server))
        check_certificates(body.certificates or [])
        changes["certificates"] = trusted(call.app, body.certificates, volume_backed=server.volume_backed)
    password = body.admin_password or new_secret(9)
    now = await remake.rebuild_server(
        call.app, call.caller, server, body.image_id, changes, call.request_id, password=password
    )
    shown = await changed(call, now)
    call.reply_headers["Location"] = call.url(f"/v2.1/servers/{server.id}")
    values = {name: getattr(shown, name) for name in shown.__struct_fields__}
    return ServerRebuilt(**values, admin_password=password, user_data_plain=now.user_data)


@api.action(ACTION_PATH, "rescue", member("os-rescue"), find=server_find, status=200)
async def rescue(call: Call[Compute], server: Server, body: Rescue | None) -> Rescued:
    """Start a server from another image, with its own disk as the second one."""
    if server.volume_backed and call.version < RESCUE_VOLUMES_SINCE:
        raise errors.BadRequest(why=f"Instance {server.id} cannot be rescued: Cannot rescue a volume-backed instance")
    image_id = body.image_id if body is not None else None
    password = (body.admin_password if body is not None else None) or new_secret(9)
    await remake.rescue_server(call.app, call.caller, server, image_id, call.request_id, password=password)
    return Rescued(admin_password=password)


@api.action(ACTION_PATH, "unrescue", member("os-unrescue"), find=server_find)
async def unrescue(call: Call[Compute], server: Server) -> None:
    """Start a server from its own disk again."""
    await power.turn_server(call.app, call.caller, server, power.UNRESCUE, call.request_id)


@api.action(ACTION_PATH, "resize", member("servers:resize"), find=server_find)
async def resize_server(call: Call[Compute], server: Server, body: Resize) -> None:
    """Give a server another size."""
    disk_config = None if body.disk_config is UNSET else body.disk_config
    await resize.resize_server(
        call.app, call.caller, server, str(body.flavor_id), call.request_id, disk_config=disk_config
    )


@api.action(ACTION_PATH, "confirmResize", member("servers:confirm_resize"), find=server_find, status=204)
async def confirm_resize(call: Call[Compute], server: Server) -> None:
    """Keep a server's new size."""
    await power.turn_server(call.app, call.caller, server, power.CONFIRM_RESIZE, call.request_id)


@api.action(ACTION_PATH, "revertResize", member("servers:revert_resize"), find=server_find)
async def revert_resize(call: Call[Compute], server: Server) -> None:
    """Go back to a server's former size."""
    await power.turn_server(call.app, call.caller, server, power.REVERT_RESIZE, call.request_id)

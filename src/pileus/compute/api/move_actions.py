"""Actions that take a server to another host."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute.api.service import ACTION_PATH, admin, api, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import moves
from pileus.compute.models.servers import Server
from pileus.kit.http import Call, F, Wire
from pileus.kit.policy import PROJECT_MANAGER, Rule
from pileus.kit.secret import new_secret

MIGRATE_TO = "os_compute_api:os-migrate-server:migrate:host"
HostName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-._]*$")]
api.declare(admin("os-migrate-server:migrate:host"))


class Migrate(Wire):
    """Where a server is to go."""

    host: Annotated[HostName | None, F(since="2.56")] = None


class Evacuate(Wire):
    """Where a server is to be made anew; without shared disks it begins with what its image holds."""

    shared: Annotated[bool | str, F("onSharedStorage", until="2.13")]
    host: HostName | UnsetType = UNSET
    admin_password: Annotated[str | UnsetType, F("adminPass")] = UNSET
    force: Annotated[bool | str | UnsetType, F(since="2.29", until="2.67")] = UNSET


class Evacuated(Wire):
    """What to log in with, where guests set the password they are given."""

    admin_password: Annotated[str, F("adminPass", until="2.13")]


@api.action(ACTION_PATH, "migrate", Rule("os_compute_api:os-migrate-server:migrate", PROJECT_MANAGER), find=server_find)
async def migrate(call: Call[Compute], server: Server, body: Migrate | None) -> None:
    """Take a server to another host while it stands still; it waits there for that to be confirmed."""
    host = body.host if body is not None else None
    if host is not None:
        call.require(MIGRATE_TO, {"project_id": server.project_id, "user_id": server.user_id})
    await moves.migrate_server(call.app, call.caller, server, host, call.request_id)


@api.action(ACTION_PATH, "evacuate", admin("os-evacuate"), find=server_find, status=200, until="2.13")
async def evacuate_early(call: Call[Compute], server: Server, body: Evacuate) -> Evacuated:
    """Make a server anew on another host, since its own is down."""
    given = body.admin_password if body.admin_password is not UNSET else new_secret(9)
    await _evacuate(call, server, body, stop=False, password=given)
    return Evacuated(admin_password=given)


@api.action(ACTION_PATH, "evacuate", admin("os-evacuate"), find=server_find, status=200, since="2.14", until="2.94")
async def evacuate(call: Call[Compute], server: Server, body: Evacuate) -> None:
    """Make a server anew on another host, since its own is down."""
    await _evacuate(call, server, body, stop=False)


@api.action(ACTION_PATH, "evacuate", admin("os-evacuate"), find=server_find, status=200, since="2.95")
async def evacuate_stopped(call: Call[Compute], server: Server, body: Evacuate) -> None:
    """Make a server anew on another host, since its own is down; it does not run there before it is started."""
    await _evacuate(call, server, body, stop=True)


async def _evacuate(
    call: Call[Compute], server: Server, body: Evacuate, *, stop: bool, password: str | None = None
) -> None:
    host = body.host if body.host is not UNSET else None
    force = _boolean(body.force) if body.force is not UNSET else False
    force = force and host is not None
    if body.admin_password is not UNSET:
        password = body.admin_password
    await moves.evacuate_server(
        call.app, call.caller, server, call.request_id, host=host, stop=stop, force=force, password=password
    )


def _boolean(given: bool | str) -> bool:  # noqa: FBT001 - as clients write it
    return str(given).lower() in {"true", "1", "on", "yes", "t", "y"}

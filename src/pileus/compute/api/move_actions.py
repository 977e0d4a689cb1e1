"""Actions that take a server to another host."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.service import ACTION_PATH, admin, api, server_find
from pileus.compute.app import Compute
from pileus.compute.commands import live, moves
from pileus.compute.models.servers import Server
from pileus.kit.http import Call, F, Wire
from pileus.kit.policy import PROJECT_MANAGER, Rule
from pileus.kit.secret import new_secret

MIGRATE_TO = "os_compute_api:os-migrate-server:migrate:host"
MIGRATION = Rule("os_compute_api:os-migrate-server:migrate", PROJECT_MANAGER)
HostName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-._]*$(?!\n)")]
MIGRATE_LIVE_TO = "os_compute_api:os-migrate-server:migrate_live:host"
# As upstream: these spellings and no others.
BOOLEANS = frozenset(
    ["True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes",
     "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no"]
)  # fmt: skip
api.declare(admin("os-migrate-server:migrate:host"), admin("os-migrate-server:migrate_live:host"))


class Anything(Wire):
    """Whatever clients say: until a place could be named, nobody looked."""

    __loose__: ClassVar[bool] = True


class Migrate(Wire):
    """Where a server is to go."""

    host: HostName | None = None


class MigrateLive(Wire):
    """Where a server is to go while it runs; its own disks go along if `block_migration` is true, or "auto"."""

    host: HostName | None
    block: Annotated[bool | str, F("block_migration", until="2.24")]
    block_or_auto: Annotated[bool | str, F("block_migration", since="2.25")]
    overcommit: Annotated[bool | str | UnsetType, F("disk_over_commit", until="2.24")] = UNSET
    force: Annotated[bool | str | UnsetType, F(since="2.30", until="2.67")] = UNSET


class Evacuate(Wire):
    """Where a server is to be made anew; without shared disks it begins with what its image holds."""

    shared: Annotated[bool | str, F("onSharedStorage", until="2.13")]
    host: HostName | UnsetType = UNSET
    admin_password: Annotated[str | UnsetType, F("adminPass")] = UNSET
    force: Annotated[bool | str | UnsetType, F(since="2.29", until="2.67")] = UNSET


class Evacuated(Wire):
    """What to log in with, where guests set the password they are given."""

    admin_password: Annotated[str, F("adminPass", until="2.13")]


@api.action(ACTION_PATH, "migrate", MIGRATION, find=server_find, until="2.55")
async def migrate_somewhere(call: Call[Compute], server: Server, body: Anything | None) -> None:
    """Take a server to another host while it stands still; it waits there for that to be confirmed."""
    await moves.migrate_server(call.app, call.caller, server, None, call.request_id)


@api.action(ACTION_PATH, "migrate", MIGRATION, find=server_find, since="2.56")
async def migrate(call: Call[Compute], server: Server, body: Migrate | None) -> None:
    """Take a server to another host while it stands still; it waits there for that to be confirmed."""
    host = body.host if body is not None else None
    if host is not None:
        call.require(MIGRATE_TO, {"project_id": server.project_id, "user_id": server.user_id})
    await moves.migrate_server(call.app, call.caller, server, host, call.request_id)


@api.action(
    ACTION_PATH, "os-migrateLive", Rule("os_compute_api:os-migrate-server:migrate_live", PROJECT_MANAGER),
    find=server_find,
)  # fmt: skip
async def migrate_live(call: Call[Compute], server: Server, body: MigrateLive) -> None:
    """Take a server to another host while it runs."""
    if body.host is not None:
        call.require(MIGRATE_LIVE_TO, {"project_id": server.project_id, "user_id": server.user_id})
    asked = live.Asked(
        host=body.host,
        takes_disks=_takes_disks(body, auto=call.version >= (2, 25)),
        force=body.force is not UNSET and _boolean(body.force) and body.host is not None,
        checks_first=call.version < (2, 34),
    )
    await live.migrate_live(call.app, call.caller, server, asked, call.request_id)


def _takes_disks(body: MigrateLive, *, auto: bool) -> bool:
    """Whether the server's own disks go along; raises BadRequest."""
    if not auto:
        if body.overcommit is UNSET:
            raise errors.BadRequest(
                why="Invalid input for field/attribute os-migrateLive. 'disk_over_commit' is a required property"
            )
        _checked("disk_over_commit", body.overcommit)
        return _boolean(_checked("block_migration", body.block))
    return body.block_or_auto == "auto" or _boolean(_checked("block_migration", body.block_or_auto))


def _checked(name: str, given: bool | str) -> bool | str:  # noqa: FBT001 - as clients write it
    if str(given) not in BOOLEANS:
        raise errors.BadRequest(why=f"Invalid input for field/attribute {name}. Value: {given}. It is not a boolean.")
    return given


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

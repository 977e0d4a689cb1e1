"""Rebuild and rescue: whether they fit, what the row says then, and the operations that do them."""

from collections.abc import Mapping

import msgspec

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.compute.commands.create import boot_image, check_user_data, key_named
from pileus.compute.commands.passwords import give_password
from pileus.compute.commands.power import held
from pileus.compute.commands.quotas import check_files, check_metadata
from pileus.compute.models.servers import GivenFile, Server, ServerState
from pileus.compute.store.servers import server_change, server_find
from pileus.kit.auth import Caller

MAY_BE_REMADE = frozenset({ServerState.ACTIVE, ServerState.STOPPED, ServerState.ERROR})


async def rebuild_server(
    app: Compute,
    caller: Caller,
    server: Server,
    image_id: str,
    changes: Mapping[str, object],
    request_id: str,
    *,
    password: str,
) -> Server:
    """The server is being made anew from the image, with these changes to its row; returns it as it is now.

    `changes` hold `key_name` where a key is wanted, or none any more. Raises WrongState, ServerLocked, BadRequest.
    """
    row = dict(changes)
    # A volume takes whatever fits into it, which block storage knows.
    size = msgspec.structs.replace(server.flavor, disk=0) if server.volume_backed else server.flavor
    image = await boot_image(app, caller, image_id, size)
    if "key_name" in row:
        name = row.pop("key_name")
        row["key"] = await key_named(app, server.user_id, name if isinstance(name, str) else None)
    check_user_data(msgspec.convert(row.get("user_data"), str | None))
    if "metadata" in row:
        await check_metadata(app, server.project_id, msgspec.convert(row["metadata"], dict[str, str]))
    if "files" in row:
        await check_files(app, server.project_id, msgspec.convert(row["files"], tuple[GivenFile, ...]))
    async with app.db.transaction():
        now = await held(app, caller, server, "rebuild", MAY_BE_REMADE)
        row |= {
            "image": None if now.volume_backed else image,
            "disk_generation": now.disk_generation + 1,
            "shelf": None,
        }
        remade = await server_change(app, now, **row)
        await give_password(app, remade, image, password)
        await app.engine.begin(
            "server.rebuild_volume" if now.volume_backed else "server.rebuild",
            now.subject,
            {"image_id": image.id} if now.volume_backed else {"was": msgspec.to_builtins(now.image)},
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )
        return await server_find(app, now.id) or now


async def rescue_server(
    app: Compute, caller: Caller, server: Server, image_id: str | None, request_id: str, *, password: str
) -> None:
    """The server is being started from the image, its own if none is named; raises WrongState, ServerLocked, BadRequest."""
    id = image_id or (server.image.id if server.image is not None else None)
    if id is None:
        raise errors.BadRequest(why="The server was made from no image: name one to rescue it with.")
    image = await boot_image(app, caller, id, server.flavor)
    async with app.db.transaction():
        now = await held(app, caller, server, "rescue", MAY_BE_REMADE)
        await give_password(app, now, image, password, rescue=True)
        await app.engine.begin(
            "server.rescue",
            now.subject,
            {"image": msgspec.to_builtins(image)},
            project_id=now.project_id,
            user_id=caller.user_id,
            request_id=request_id,
        )

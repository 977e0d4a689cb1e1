"""Logs: what one can ask for."""

from collections.abc import Mapping

from pileus.network.app import Network as App
from pileus.network.commands.sharing import usable_by
from pileus.network.commands.standard import change, changed, standard, tell
from pileus.network.errors.logs import (
    InvalidLogResourceType,
    InvalidResourceConstraint,
    ResourceNotFound,
    TargetResourceNotFound,
)
from pileus.network.models.logs import GROUPS, Log, NewLog
from pileus.network.store import groups as group_rows
from pileus.network.store import ports as port_rows
from pileus.network.store.logs import SHELF


async def create_log(app: App, wanted: NewLog, *, anything: bool) -> Log:
    """What the groups meant let through or drop is logged."""
    if wanted.resource_type != GROUPS:
        raise InvalidLogResourceType(kind=wanted.resource_type)
    await _check(app, wanted, anything=anything)
    found = Log(
        **standard(app, wanted),
        enabled=wanted.enabled,
        event=wanted.event,
        resource_type=wanted.resource_type,
        resource_id=wanted.resource_id,
        target_id=wanted.target_id,
    )
    await SHELF.insert(app.db, found)
    await tell(app, "log.created", found)
    await changed(app)
    return found


async def _check(app: App, wanted: NewLog, *, anything: bool) -> None:
    """Raises unless group and port are there for the project, and the port is in the group."""
    if wanted.resource_id is not None:
        group = await app.db.one(group_rows.GET, id=wanted.resource_id)
        if group is None or not (anything or group.id in await usable_by(app, wanted.project_id, [group])):
            raise ResourceNotFound(id=wanted.resource_id)
    if wanted.target_id is not None:
        port = await port_rows.port_find(app.db, wanted.target_id)
        if port is None or not (anything or port.project_id == wanted.project_id):
            raise TargetResourceNotFound(id=wanted.target_id)
        if wanted.resource_id is not None and wanted.resource_id not in port.security_groups:
            raise InvalidResourceConstraint(group=wanted.resource_id, port=port.id)


async def update_log(app: App, log: Log, values: Mapping[str, object]) -> Log:
    """The log is as asked for."""
    async with app.db.transaction():
        log = await SHELF.get(app.db, log.id)
        await change(app, SHELF.change, log, values)
        await tell(app, "log.updated", log)
        await changed(app)
        return await SHELF.get(app.db, log.id)


async def delete_log(app: App, log: Log) -> None:
    """Nothing is logged by it."""
    await app.db.run(SHELF.delete, of_id=log.id)
    await tell(app, "log.deleted", log)
    await changed(app)

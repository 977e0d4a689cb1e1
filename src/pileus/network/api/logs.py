"""Logs of what security groups let through and drop."""

from typing import Annotated, Any, Literal

from msgspec import UNSET

from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F
from pileus.network.api.finding import listed, own
from pileus.network.api.policy import project_of, require, rule
from pileus.network.api.service import api
from pileus.network.api.wires import Filters, Name, Owned, Seen, standard, where
from pileus.network.app import Network as App
from pileus.network.commands import logs as commands
from pileus.network.models.logs import GROUPS, Log, NewLog
from pileus.network.store.logs import SHELF


class LogWanted(Owned, kw_only=True):
    """A log to make or to change."""

    resource_type: Annotated[Name, F(on="c")]
    event: Annotated[Literal["ALL", "ACCEPT", "DROP"], F(on="c")] = "ALL"
    name: Name = ""
    description: Name = ""
    enabled: bool = True
    resource_id: Annotated[str | None, F(on="c")] = None
    target_id: Annotated[str | None, F(on="c")] = None


class LogSeen(Seen):
    """A log as a caller sees it."""

    enabled: bool
    event: str
    resource_type: str
    resource_id: str | None
    target_id: str | None


class LogFilters(Filters):
    enabled: list[bool] = []
    event: list[str] = []
    resource_type: list[str] = []
    resource_id: list[str] = []
    target_id: list[str] = []


def view(log: Log) -> LogSeen:
    """A log as the API shows it."""
    shown: dict[str, Any] = {**standard(log), "tags": UNSET}
    return LogSeen(
        **shown,
        enabled=log.enabled,
        event=log.event,
        resource_type=log.resource_type,
        resource_id=log.resource_id,
        target_id=log.target_id,
    )


find = own(SHELF, "log_id")


@api.post("/log/logs", rule("create_log"), key="log", late=True)
async def create(call: Call[App], body: LogWanted) -> LogSeen:
    """Log what security groups let through or drop."""
    project_id = project_of(call, body)
    require(call, "create", "log", body, {"project_id": project_id, "tenant_id": project_id})
    given = {name: value for name, value in body.given().items() if name in NewLog.__struct_fields__}
    new = NewLog(**{**given, "project_id": project_id})
    async with call.app.db.transaction():
        return view(await commands.create_log(call.app, new, anything=call.caller.admin))


@api.get("/log/logs", rule("get_log"), key="logs", late=True)
async def index(call: Call[App], query: LogFilters, page: Page) -> list[LogSeen]:
    """List logs: those of the caller's project."""
    return [view(log) for log in await listed(call, SHELF, "log", where(query), page)]


@api.get("/log/logs/{log_id}", rule("get_log"), key="log", find=find)
async def show(call: Call[App], log: Log) -> LogSeen:
    """Show a log."""
    return view(log)


@api.put("/log/logs/{log_id}", rule("update_log"), key="log", find=find)
async def update(call: Call[App], log: Log, body: LogWanted) -> LogSeen:
    """Change a log, or switch it on or off."""
    return view(await commands.update_log(call.app, log, body.given()))


@api.delete("/log/logs/{log_id}", rule("delete_log"), find=find)
async def delete(call: Call[App], log: Log) -> None:
    """Log no more."""
    async with call.app.db.transaction():
        await commands.delete_log(call.app, log)


@api.get("/log/loggable-resources", rule("get_loggable_resource"), key="loggable_resources")
async def kinds(call: Call[App]) -> list[dict[str, str]]:
    """List what can be logged."""
    return [{"type": GROUPS}]

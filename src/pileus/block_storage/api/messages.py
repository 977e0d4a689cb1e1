"""Messages: why something that was asked for did not come to be."""

from typing import Any

from pileus.block_storage import errors
from pileus.block_storage.api.listing import filters, paged
from pileus.block_storage.api.service import api, links, member, moment, page_of, reader
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands.volumes import mine
from pileus.block_storage.models.messages import Message, parts_of
from pileus.block_storage.store.messages import messages
from pileus.kit.auth import Caller
from pileus.kit.db import In
from pileus.kit.http import Call, Page, Wire

SINCE = "3.3"
FILTERS = {
    "resource_type": "resource_type",
    "resource_uuid": "resource_id",
    "request_id": "request_id",
    "message_level": "level",
}


class MessageView(Wire, kw_only=True):
    """A message."""

    id: str
    event_id: str
    user_message: str
    message_level: str
    resource_type: str
    resource_uuid: str | None
    request_id: str | None
    created_at: str | None
    guaranteed_until: str | None
    links: list[Any]


def _view(call: Call[BlockStorage], message: Message) -> MessageView:
    return MessageView(
        id=message.id,
        event_id=message.event,
        user_message=message.text,
        message_level=message.level,
        resource_type=message.resource_type,
        resource_uuid=message.resource_id,
        request_id=message.request_id,
        created_at=moment(message.created_at),
        guaranteed_until=moment(message.expires_at),
        links=links(call, f"/messages/{message.id}"),
    )


def _of_event(call: Call[BlockStorage]) -> dict[str, Any]:
    event = dict(call.query).get("event_id")
    if event is None:
        return {}
    parts = parts_of(event)
    if parts is None:
        return {"id": ""}
    resource_type, action, details = parts
    return {"resource_type": resource_type, "action": action, "detail": In(details)}


async def message_find(app: BlockStorage, caller: Caller, message_id: str) -> Message:
    """The message a path names; raises MessageNotFound."""
    found = await messages.find(app, message_id)
    if found is None or not mine(found.project_id, caller):
        raise errors.MessageNotFound(message=message_id)
    return found


@api.get("/messages", reader("message:get_all"), key="messages", since=SINCE)
async def index(call: Call[BlockStorage], page: Page) -> list[MessageView]:
    """List messages."""
    # Who looks after the cloud reads what went wrong in it, whosever it was.
    where: dict[str, Any] = {} if call.caller.admin else {"project_id": call.caller.project_id or ""}
    where |= filters(call, FILTERS, "message") | _of_event(call)
    if call.version < (3, 5):
        page.limit, page.marker, page.sort = None, None, []
    limit = page_of(call, page)
    found = await paged(
        call,
        lambda marker, count: messages.list(call.app, where, page.sort, marker=marker, limit=count),
        limit,
        page.marker,
    )
    return [_view(call, message) for message in found]


@api.get("/messages/{message_id}", reader("message:get"), key="message", find=message_find, since=SINCE)
async def show(call: Call[BlockStorage], message: Message) -> MessageView:
    """Show a message."""
    return _view(call, message)


@api.delete("/messages/{message_id}", member("message:delete"), find=message_find, since=SINCE)
async def delete(call: Call[BlockStorage], message: Message) -> None:
    """Forget a message."""
    await messages.delete(call.app, message.id)

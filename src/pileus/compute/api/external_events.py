"""What other services tell of servers: whatever waits for it looks again at once."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.service import Uuid, api
from pileus.compute.app import Compute
from pileus.compute.commands.volumes import volume_extended
from pileus.compute.store.servers import server_get_many
from pileus.kit.http import Call, F, Wire
from pileus.kit.policy import ADMIN_OR_SERVICE, Rule

Status = Literal["failed", "completed", "in-progress"]
SINCE = {
    "network-changed": (2, 1),
    "network-vif-plugged": (2, 1),
    "network-vif-unplugged": (2, 1),
    "network-vif-deleted": (2, 1),
    "volume-extended": (2, 51),
    "power-update": (2, 76),
    "accelerator-request-bound": (2, 82),
    "volume-reimaged": (2, 93),
}


class EventGiven(Wire, kw_only=True):
    """Something that happened to a server."""

    name: str
    server_id: Annotated[Uuid, F("server_uuid")]
    status: Status = "completed"
    tag: Annotated[str, msgspec.Meta(max_length=255)] | UnsetType = UNSET


class Events(Wire):
    """Some of it."""

    events: Annotated[list[EventGiven], msgspec.Meta(min_length=1)]


class EventTaken(Wire, kw_only=True):
    """What became of an event: code 200, 404 for an unknown server, 422 for one that is nowhere."""

    name: str
    server_id: Annotated[str, F("server_uuid")]
    status: str
    tag: str | UnsetType
    code: int


class EventsTaken(Wire):
    """What became of them."""

    events: list[EventTaken]


@api.post("/os-server-external-events", Rule("os_compute_api:os-server-external-events:create", ADMIN_OR_SERVICE),
          status=200)  # fmt: skip
async def create(call: Call[Compute], body: Events) -> EventsTaken:
    """Tell what happened to servers."""
    for event in body.events:
        if event.name not in SINCE or call.version < SINCE[event.name]:
            raise errors.BadRequest(why=f"Invalid input for field/attribute name. Value: {event.name}. "
                                    f"It is one of {', '.join(SINCE)}.")  # fmt: skip
    known = {each.id: each for each in await server_get_many(call.app, [event.server_id for event in body.events])}
    if not known:
        raise errors.NoServersForEvents
    taken = []
    for event in body.events:
        server = known.get(event.server_id)
        code = 404 if server is None else 200 if server.host is not None or server.flow is not None else 422
        if server is not None and code == 200:
            call.app.engine.wake_subject(server.subject)
            if event.name == "volume-extended" and event.tag is not UNSET:
                await volume_extended(call.app, server, event.tag)
        status = event.status if code == 200 else "failed"
        taken.append(EventTaken(name=event.name, server_id=event.server_id, status=status, tag=event.tag, code=code))
    call.reply_status = 200 if all(each.code == 200 for each in taken) else 207
    return EventsTaken(events=taken)

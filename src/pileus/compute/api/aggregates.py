"""Aggregates: hosts an admin put together."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.service import Key, Name, Uuid, admin, api, fine_moment
from pileus.compute.app import Compute
from pileus.compute.commands import aggregates as commands
from pileus.compute.commands.prefetch import prefetch_images
from pileus.compute.models.aggregates import Aggregate
from pileus.compute.store.aggregates import aggregate_list
from pileus.kit.http import Call, F, Wire
from pileus.kit.policy import ADMIN, Rule

ONE = "/os-aggregates/{aggregate}"
ACTION = ONE + "/action"
# Zones are named in `zone:host`, so a colon in their name would make it mean something else.
Zone = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^(?! )[^:]*[^: ]$(?!\n)")]


class AggregateMade(Wire, kw_only=True):
    """An aggregate, as its maker is told of it."""

    number: Annotated[int, F("id")]
    id: Annotated[str, F("uuid", since="2.41")]
    name: str
    zone: Annotated[str | None, F("availability_zone")]
    created_at: str | None
    updated_at: str | None
    deleted_at: str | None = None
    deleted: bool = False


class AggregateView(AggregateMade, kw_only=True):
    """An aggregate with what is in it."""

    hosts: list[str]
    metadata: dict[str, str]


class AggregateCreate(Wire, kw_only=True):
    """An aggregate to make."""

    name: Name
    zone: Annotated[Zone | None, F("availability_zone")] = None


class AggregateUpdate(Wire, kw_only=True):
    """What may be changed of an aggregate."""

    name: Name | UnsetType = UNSET
    zone: Annotated[Zone | UnsetType | None, F("availability_zone")] = UNSET


class HostName(Wire):
    """A host to put in or take out."""

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class ImageToCache(Wire):
    """An image to fetch."""

    id: Uuid


class ImagesToCache(Wire):
    """Images to fetch ahead of servers."""

    cache: Annotated[list[ImageToCache], msgspec.Meta(min_length=1)]


class AggregateMetadata(Wire):
    """What to say of an aggregate; None takes it back."""

    metadata: dict[Key, Annotated[str, msgspec.Meta(max_length=255)] | None]


def _made(each: Aggregate) -> AggregateMade:
    return AggregateMade(
        number=each.number,
        id=each.id,
        name=each.name,
        zone=each.zone,
        created_at=fine_moment(each.created_at),
        updated_at=fine_moment(each.updated_at),
    )


def _view(each: Aggregate) -> AggregateView:
    zone = {commands.ZONE: each.zone} if each.zone is not None else {}
    made = _made(each)
    values = {name: getattr(made, name) for name in made.__struct_fields__}
    return AggregateView(**values, hosts=list(each.hosts), metadata={**each.metadata, **zone})


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise errors.AggregateNotFound(aggregate=text)
    return int(text)


@api.get("/os-aggregates", admin("os-aggregates:index"), key="aggregates")
async def index(call: Call[Compute]) -> list[AggregateView]:
    """List aggregates."""
    return [_view(each) for each in await aggregate_list(call.app)]


@api.post("/os-aggregates", admin("os-aggregates:create"), key="aggregate", status=200)
async def create(call: Call[Compute], body: AggregateCreate) -> AggregateMade:
    """Make an aggregate."""
    return _made(await commands.create_aggregate(call.app, body.name, body.zone))


@api.get(ONE, admin("os-aggregates:show"), key="aggregate")
async def show(call: Call[Compute], aggregate: str) -> AggregateView:
    """Show an aggregate."""
    return _view(await commands.aggregate_get(call.app, _number(aggregate)))


@api.put(ONE, admin("os-aggregates:update"), key="aggregate")
async def update(call: Call[Compute], aggregate: str, body: AggregateUpdate) -> AggregateView:
    """Rename an aggregate, or make it another zone."""
    given = body.given()
    if not given:
        raise errors.BadRequest(why="aggregate: give a name, an availability_zone or both.")
    return _view(await commands.change_aggregate(call.app, _number(aggregate), given))


@api.delete(ONE, admin("os-aggregates:delete"), status=200)
async def delete(call: Call[Compute], aggregate: str) -> None:
    """Remove an aggregate without hosts."""
    await commands.delete_aggregate(call.app, _number(aggregate))


@api.action(ACTION, "add_host", admin("os-aggregates:add_host"), reply_key="aggregate", status=200)
async def add_host(call: Call[Compute], aggregate: str, body: HostName) -> AggregateView:
    """Put a host into an aggregate."""
    return _view(await commands.add_host(call.app, _number(aggregate), body.host))


@api.action(ACTION, "remove_host", admin("os-aggregates:remove_host"), reply_key="aggregate", status=200)
async def remove_host(call: Call[Compute], aggregate: str, body: HostName) -> AggregateView:
    """Take a host out of an aggregate."""
    return _view(await commands.remove_host(call.app, _number(aggregate), body.host))


@api.post(ONE + "/images", Rule("compute:aggregates:images", ADMIN), status=202, since="2.81")
async def cache_images(call: Call[Compute], aggregate: str, body: ImagesToCache) -> None:
    """Have an aggregate's hosts fetch images ahead of servers."""
    ids = [image.id for image in body.cache]
    await prefetch_images(call.app, call.caller, _number(aggregate), ids, call.request_id)


@api.action(ACTION, "set_metadata", admin("os-aggregates:set_metadata"), reply_key="aggregate", status=200)
async def set_metadata(call: Call[Compute], aggregate: str, body: AggregateMetadata) -> AggregateView:
    """Say something of an aggregate."""
    return _view(await commands.set_aggregate_metadata(call.app, _number(aggregate), body.metadata))

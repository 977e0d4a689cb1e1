"""Tags: the same routes for every resource that carries them."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from msgspec import Meta

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call, Reply
from pileus.kit.http.wire import Wire
from pileus.network.api.floating_ips import floating_ip_for
from pileus.network.api.networks import network_for
from pileus.network.api.policy import rule
from pileus.network.api.ports import port_for
from pileus.network.api.qos import policy_for
from pileus.network.api.routers import router_for
from pileus.network.api.security_groups import group_for
from pileus.network.api.segment_ranges import range_for
from pileus.network.api.service import api
from pileus.network.api.subnetpools import pool_for
from pileus.network.api.subnets import subnet_for
from pileus.network.api.trunks import trunk_for
from pileus.network.app import Network as App
from pileus.network.commands import tags as commands
from pileus.network.errors import InvalidAttribute, TagNotFound
from pileus.network.models.resources import Standard

Find = Callable[[App, Caller, str], Awaitable[Standard]]


class Tags(Wire):
    """A list of tags."""

    tags: list[Annotated[str, Meta(max_length=60)]]


def _listed(body: Tags) -> list[str]:
    """The tags a body lists; raises InvalidAttribute if one is there twice."""
    if len(set(body.tags)) < len(body.tags):
        raise InvalidAttribute(name="tags", why=f"Duplicate items in the list: '{', '.join(body.tags)[:300]}'")
    return body.tags


def _declare(collection: str, resource: str, id_name: str, find_one: Find) -> None:
    """The routes of one resource's tags."""
    path = f"/{collection}/{{{id_name}}}/tags"

    async def find(app: App, caller: Caller, **ids: str) -> Standard:
        return await find_one(app, caller, ids[id_name])

    @api.get(path, rule(f"get_{resource}:tags"), find=find)
    async def index(call: Call[App], what: Any) -> Tags:
        """List the tags."""
        return Tags(tags=list(what.tags))

    @api.put(path, rule(f"update_{resource}:tags"), find=find, on="c")
    async def replace(call: Call[App], what: Any, body: Tags) -> Tags:
        """Set the tags."""
        return Tags(tags=list(await commands.set_tags(call.app, what, _listed(body))))

    @api.post(path, rule(f"create_{resource}:tags"), find=find)
    async def add(call: Call[App], what: Any, body: Tags) -> Tags:
        """Add tags."""
        return Tags(tags=list(await commands.add_tags(call.app, what, _listed(body))))

    @api.delete(path, rule(f"delete_{resource}:tags"), find=find)
    async def clear(call: Call[App], what: Any) -> None:
        """Remove all tags."""
        await commands.set_tags(call.app, what, ())

    _declare_one(path, resource, id_name, find_one)


def _declare_one(path: str, resource: str, id_name: str, find_one: Find) -> None:
    """The routes of one tag."""
    path = f"{path}/{{tag}}"

    async def find(app: App, caller: Caller, **ids: str) -> Standard:
        return await find_one(app, caller, ids[id_name])

    @api.get(path, rule(f"get_{resource}:tags"), find=find, status=204)
    async def check(call: Call[App], what: Any, tag: str) -> None:
        """Tell whether there is the tag."""
        if tag not in what.tags:
            raise TagNotFound(tag=tag)

    @api.put(path, rule(f"update_{resource}:tags"), find=find, status=201)
    async def add(call: Call[App], what: Any, tag: str) -> Reply:
        """Add a tag."""
        await commands.add_tags(call.app, what, [tag])
        return Reply(201, b"", {})

    @api.delete(path, rule(f"delete_{resource}:tags"), find=find)
    async def remove(call: Call[App], what: Any, tag: str) -> None:
        """Remove a tag."""
        await commands.remove_tag(call.app, what, tag)


_declare("networks", "network", "network_id", network_for)
_declare("subnets", "subnet", "subnet_id", subnet_for)
_declare("subnetpools", "subnetpool", "subnetpool_id", pool_for)
_declare("ports", "port", "port_id", port_for)
_declare("routers", "router", "router_id", router_for)
_declare("floatingips", "floatingip", "floatingip_id", floating_ip_for)
_declare("qos/policies", "policy", "policy_id", policy_for)
_declare("security-groups", "security_group", "security_group_id", group_for)
_declare("network_segment_ranges", "network_segment_range", "network_segment_range_id", range_for)
_declare("trunks", "trunk", "trunk_id", trunk_for)

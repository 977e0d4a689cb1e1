"""Several ways out of a router."""

from pileus.kit.http.call import Call
from pileus.kit.http.wire import Wire
from pileus.network.api.networks import network_for
from pileus.network.api.policy import require_named, rule
from pileus.network.api.routers import GatewayWanted, RouterSeen, router_for, views, wished
from pileus.network.api.service import api
from pileus.network.app import Network as App
from pileus.network.commands import gateways as commands
from pileus.network.errors import BadRequest
from pileus.network.models.requests import GatewayWish
from pileus.network.models.resources import Router


class GatewaysWanted(Wire):
    """Ways out to add, to change or to remove."""

    external_gateways: list[GatewayWanted] | dict[str, str]  # the openstack command says `{}` for none


async def _wishes(call: Call[App], verb: str, router: Router, body: GatewaysWanted) -> list[GatewayWish]:
    """What the body asks for, of networks the caller sees."""
    require_named(call, verb, "external_gateways", body, router.policy_target())
    if isinstance(body.external_gateways, dict):
        if body.external_gateways:
            raise BadRequest(resource="router", why="external_gateways is a list")
        return []
    wishes = [wished(given) for given in body.external_gateways]
    for wish in wishes:
        await network_for(call.app, call.caller, wish.network_id)
    return wishes


@api.put(
    "/routers/{router_id}/add_external_gateways", rule("add_external_gateways"), key="router", find=router_for, on="c"
)
async def add(call: Call[App], router: Router, body: GatewaysWanted) -> RouterSeen:
    """Add ways out to a router's."""
    wishes = await _wishes(call, "add", router, body)
    changed = await commands.add_gateways(call.app, router, wishes, any_network=call.caller.admin)
    return (await views(call.app, [changed]))[0]


@api.put(
    "/routers/{router_id}/update_external_gateways",
    rule("update_external_gateways"),
    key="router",
    find=router_for,
    on="c",
)
async def update(call: Call[App], router: Router, body: GatewaysWanted) -> RouterSeen:
    """Give a router these ways out and no others; those it had are known by their network and one of their addresses."""
    wishes = await _wishes(call, "update", router, body)
    changed = await commands.update_gateways(call.app, router, wishes, any_network=call.caller.admin)
    return (await views(call.app, [changed]))[0]


@api.put(
    "/routers/{router_id}/remove_external_gateways",
    rule("remove_external_gateways"),
    key="router",
    find=router_for,
    on="c",
)
async def remove(call: Call[App], router: Router, body: GatewaysWanted) -> RouterSeen:
    """Remove ways out from a router's, which are named by their network and an address, or all on it."""
    changed = await commands.remove_gateways(call.app, router, await _wishes(call, "remove", router, body))
    return (await views(call.app, [changed]))[0]

"""Which of the kept policies is whose (OS-ENDPOINT-POLICY): an endpoint's, a service's, or a service's in a region."""

from collections.abc import Mapping

import msgspec

from pileus.identity.api import find
from pileus.identity.api.policies import PolicyView
from pileus.identity.api.policies import view as policy_view
from pileus.identity.api.root import ADMIN_OR_SYSTEM_READER, api
from pileus.identity.api.services import EndpointView, endpoint_view
from pileus.identity.app import Identity
from pileus.identity.commands.filters import (
    associate,
    check_association,
    dissociate,
    endpoints_under,
    policy_for,
)
from pileus.identity.errors import Missing
from pileus.identity.models import Endpoint, Policy
from pileus.identity.store.catalog import endpoint_find, region_find, service_find
from pileus.identity.store.delegation import policy_find
from pileus.kit.auth import Caller
from pileus.kit.http import Call
from pileus.kit.policy import ADMIN, Rule

ROOT = "/policies/{policy_id}/OS-ENDPOINT-POLICY"
FINDS = {"endpoint_id": endpoint_find, "service_id": service_find, "region_id": region_find}


class Named(msgspec.Struct, frozen=True):
    """A policy, and what the path names beside it."""

    policy: Policy
    path: Mapping[str, str]


async def named_find(app: Identity, _caller: Caller, policy_id: str, **path: str) -> Named | Missing:
    """What the path of an association names."""
    policy = await policy_find(app, policy_id)
    if policy is None:
        return Missing(kind="policy", id=policy_id)
    for name, id in path.items():
        if await FINDS[name](app, id) is None:
            return Missing(kind=name.removesuffix("_id"), id=id)
    return Named(policy, path)


async def check(call: Call[Identity], named: Named) -> None:
    """Check that a policy is for this."""
    await check_association(call.app, named.policy, named.path)


async def create(call: Call[Identity], named: Named) -> None:
    """Let a policy be for this."""
    await associate(call.app, named.policy, named.path)


async def delete(call: Call[Identity], named: Named) -> None:
    """Let a policy not be for this any more."""
    await dissociate(call.app, named.policy, named.path)


@api.get(
    f"{ROOT}/endpoints",
    Rule("identity:list_endpoints_for_policy", ADMIN_OR_SYSTEM_READER),
    key="endpoints",
    find=find.policy,
)
async def endpoints(call: Call[Identity], policy: Policy) -> list[EndpointView]:
    """List the endpoints whose policy this is."""
    return [endpoint_view(call, one) for one in await endpoints_under(call.app, policy)]


@api.get(
    "/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy",
    Rule("identity:get_policy_for_endpoint", ADMIN_OR_SYSTEM_READER),
    key="policy",
    find=find.endpoint,
)
async def policy(call: Call[Identity], endpoint: Endpoint) -> PolicyView:
    """Show the policy of an endpoint."""
    return policy_view(call, await policy_for(call.app, endpoint))


def _declare() -> None:
    for path, what in (
        ("endpoints/{endpoint_id}", "endpoint"),
        ("services/{service_id}", "service"),
        ("services/{service_id}/regions/{region_id}", "region_and_service"),
    ):
        one = f"{ROOT}/{path}"
        named = f"identity:{{}}_policy_association_for_{what}"
        api.get(one, Rule(named.format("check"), ADMIN_OR_SYSTEM_READER), find=named_find, status=204)(check)
        api.put(one, Rule(named.format("create"), ADMIN), find=named_find, status=204)(create)
        api.delete(one, Rule(named.format("delete"), ADMIN), find=named_find)(delete)


_declare()

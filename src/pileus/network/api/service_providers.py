"""Service providers, and the pools floating IPs are of."""

from typing import Any

from pileus.kit.http.call import Call
from pileus.network.api.networks import with_grants
from pileus.network.api.policy import rule
from pileus.network.api.service import api
from pileus.network.app import Network as App
from pileus.network.store import networks as network_rows
from pileus.network.store import subnets as subnet_rows

PROVIDERS = ({"service_type": "L3_ROUTER_NAT", "name": "ovn", "default": True},)


@api.get("/service-providers", rule("get_service_provider"), key="service_providers")
async def providers(call: Call[App]) -> list[dict[str, Any]]:
    """List who provides services: OVN, for routers."""
    wanted = {name: value.lower() for name, value in call.query if name in PROVIDERS[0]}
    return [each for each in PROVIDERS if all(str(each[name]).lower() == value for name, value in wanted.items())]


@api.get("/floatingip_pools", rule("get_floatingip_pool"), key="floatingip_pools")
async def pools(call: Call[App]) -> list[dict[str, Any]]:
    """List the blocks floating IPs are taken of: the IPv4 subnets of external networks the caller sees."""
    external = await network_rows.external_list(call.app.db)
    names = {network.id: network.name for network in await with_grants(call.app, call.caller, external)}
    if not names:
        return []
    project_id = call.caller.project_id or ""
    return [
        {
            "network_id": subnet.network_id,
            "network_name": names[subnet.network_id],
            "subnet_id": subnet.id,
            "subnet_name": subnet.name,
            "cidr": subnet.cidr,
            "project_id": project_id,
            "tenant_id": project_id,
        }
        for subnet in await call.app.db.all(subnet_rows.FOURS_ON, ids=sorted(names))
    ]

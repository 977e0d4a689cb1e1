"""How many addresses of each network are taken, for administrators."""

import ipaddress
from collections.abc import Sequence
from typing import Any

from pileus.kit.http.call import Call
from pileus.network.api.networks import network_for
from pileus.network.api.policy import rule
from pileus.network.api.service import api
from pileus.network.app import Network as App
from pileus.network.models.blocks import spans_of, usable
from pileus.network.models.resources import Network, Subnet
from pileus.network.store import addresses as address_rows
from pileus.network.store import networks as rows
from pileus.network.store import subnets as subnet_rows


def _subnet(subnet: Subnet, places: list[int]) -> dict[str, Any]:
    first, last = usable(ipaddress.ip_network(subnet.cidr))
    spans = spans_of(subnet)
    in_pools = sum(len(span) for span in spans)
    return {
        "subnet_id": subnet.id,
        "subnet_name": subnet.name,
        "cidr": subnet.cidr,
        "ip_version": subnet.ip_version,
        "total_ips": in_pools or last - first + 1,
        "used_ips": len(places),
        "ip_availability_details": {
            "total_ips_in_subnet": last - first + 1,
            "total_ips_in_allocation_pool": in_pools,
            "used_ips_in_subnet": len(places),
            "used_ips_in_allocation_pool": sum(any(place in span for span in spans) for place in places),
        },
    }


def _view(network: Network, inside: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "network_id": network.id,
        "network_name": network.name,
        "project_id": network.project_id,
        "tenant_id": network.project_id,
        "total_ips": sum(each["total_ips"] for each in inside),
        "used_ips": sum(each["used_ips"] for each in inside),
        "subnet_ip_availability": inside,
        "ip_availability_details": {
            name: sum(each["ip_availability_details"][name] for each in inside)
            for name in (
                "total_ips_in_subnet",
                "total_ips_in_allocation_pool",
                "used_ips_in_subnet",
                "used_ips_in_allocation_pool",
            )
        },
    }


def _views(
    found: Sequence[Network], subnets: Sequence[Subnet], taken: Sequence[tuple[str, int]]
) -> list[dict[str, Any]]:
    places: dict[str, list[int]] = {}
    for subnet_id, place in taken:
        places.setdefault(subnet_id, []).append(place)
    inside: dict[str, list[dict[str, Any]]] = {}
    for subnet in subnets:
        inside.setdefault(subnet.network_id, []).append(_subnet(subnet, places.get(subnet.id, [])))
    return [_view(network, inside.get(network.id, [])) for network in found]


@api.get("/network-ip-availabilities", rule("get_network_ip_availability"), key="network_ip_availabilities")
async def index(call: Call[App]) -> list[dict[str, Any]]:
    """List how many addresses of each network are taken."""
    db, wanted = call.app.db, dict(call.query)
    subnets = list(await db.all(subnet_rows.ALL))
    if wanted.get("ip_version") in {"4", "6"}:
        subnets = [subnet for subnet in subnets if str(subnet.ip_version) == wanted["ip_version"]]
    views = _views(list(await db.all(rows.ALL)), subnets, await db.all(address_rows.PLACES))
    named = {name: wanted[name] for name in ("network_id", "network_name", "project_id", "tenant_id") if name in wanted}
    return [view for view in views if all(view[name] == value for name, value in named.items())]


@api.get(
    "/network-ip-availabilities/{network_id}",
    rule("get_network_ip_availability"),
    key="network_ip_availability",
    find=network_for,
)
async def show(call: Call[App], network: Network) -> dict[str, Any]:
    """Show how many addresses of a network are taken."""
    subnets = await subnet_rows.subnets_on(call.app.db, network.id)
    taken = await call.app.db.all(address_rows.PLACES_IN, ids=[subnet.id for subnet in subnets]) if subnets else []
    return _views([network], subnets, taken)[0]

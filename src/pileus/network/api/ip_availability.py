"""How many addresses of each network are taken, for administrators."""

import ipaddress
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


def _subnet(subnet: Subnet, used: int) -> dict[str, Any]:
    first, last = usable(ipaddress.ip_network(subnet.cidr))
    return {
        "subnet_id": subnet.id,
        "subnet_name": subnet.name,
        "cidr": subnet.cidr,
        "ip_version": subnet.ip_version,
        "total_ips": sum(len(span) for span in spans_of(subnet)) or last - first + 1,
        "used_ips": used,
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
    }


async def _views(app: App, found: list[Network]) -> list[dict[str, Any]]:
    used = dict(await app.db.all(address_rows.COUNT_IN))
    inside: dict[str, list[dict[str, Any]]] = {}
    for subnet in await app.db.all(subnet_rows.ALL):
        inside.setdefault(subnet.network_id, []).append(_subnet(subnet, used.get(subnet.id, 0)))
    return [_view(network, inside.get(network.id, [])) for network in found]


@api.get("/network-ip-availabilities", rule("get_network_ip_availability"), key="network_ip_availabilities")
async def index(call: Call[App]) -> list[dict[str, Any]]:
    """List how many addresses of each network are taken."""
    wanted = {name: value for name, value in call.query if name in {"network_id", "network_name", "project_id"}}
    views = await _views(call.app, await call.app.db.all(rows.ALL))
    return [view for view in views if all(view[name] == value for name, value in wanted.items())]


@api.get(
    "/network-ip-availabilities/{network_id}",
    rule("get_network_ip_availability"),
    key="network_ip_availability",
    find=network_for,
)
async def show(call: Call[App], network: Network) -> dict[str, Any]:
    """Show how many addresses of a network are taken."""
    return (await _views(call.app, [network]))[0]

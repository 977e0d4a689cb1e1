"""Load_Balancer rows: single ports of floating IPs that lead to guests.

OVN's load balancers translate address and port; with one guest behind each port that is forwarding. One row holds the
ports of one floating IP and protocol. The router answers ARP for the address wherever its gateway is.
"""

from collections.abc import Iterator

from pileus.network.drivers.interface import ROUTER_INTERFACE, PortForwarding, Router
from pileus.network.drivers.ovn.index import Index
from pileus.network.drivers.ovn.values import Ref, Row, row


def inside(index: Index, network_id: str) -> tuple[Ref, ...]:
    """The rows a network's switch has too, for those who ask from inside: the router translates at its gateway only."""
    legs = [port for port in index.router_ports_on(network_id) if port.device_owner == ROUTER_INTERFACE]
    names = {_name(one) for leg in legs for one in index.forwarded_by(index.router_of[leg.id].id)}
    return tuple(Ref("Load_Balancer", name) for name in sorted(names))


def _name(one: PortForwarding) -> str:
    return f"pf-{one.floating_ip}-{one.protocol}"


def rows(index: Index, router: Router) -> Iterator[Row]:
    """The rows of a router's floating IPs that forward ports."""
    together: dict[str, list[PortForwarding]] = {}
    for one in index.forwarded_by(router.id):
        together.setdefault(_name(one), []).append(one)
    for name, forwarded in sorted(together.items()):
        vips = {
            f"{one.address}:{one.outer + step}": f"{one.fixed_ip}:{one.inner + step}"
            for one in forwarded
            for step in range(one.count)
        }
        # A guest that asks itself by that address must not see the answer come from itself.
        options = {"hairpin_snat_ip": forwarded[0].address}
        yield row(
            "Load_Balancer", name, {"name": name, "protocol": forwarded[0].protocol, "vips": vips, "options": options}
        )

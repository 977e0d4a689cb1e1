"""QoS rows on switches, for ports, floating IPs and routers' gateways.

OVN looks for a mark and for a limit in two separate tables, so each rule is a row of its own. What is asked of a router's
gateway or a floating IP is done on the external network's switch, on the host that carries the gateway. A guaranteed
least is an option of the port (see switches); OVN hands it to the queue of the interface that leaves the host.
"""

from collections.abc import Iterator

from pileus.network.drivers.interface import FloatingIp, QosRule, Router
from pileus.network.drivers.ovn import naming
from pileus.network.drivers.ovn.index import Index
from pileus.network.drivers.ovn.values import Row, Value, row

_GATEWAY, _PORT, _FLOATING = 2001, 2002, 2003  # what is said of an address counts more than of its router
_DIRECTIONS = {"egress": "from-lport", "ingress": "to-lport"}
_BURST_PART = 0.8  # of the limit, as Neutron has it: TCP needs some, or it never reaches the limit


def rows_on(index: Index, network_id: str) -> Iterator[Row]:
    """The rows of a network's switch."""
    for port in index.guest_ports_on(network_id):
        ends = {"egress": f'inport == "{port.id}"', "ingress": f'outport == "{port.id}"'}
        yield from _rows(index, port.id, port.qos_policy, ends, _PORT)
    for port in index.router_ports_on(network_id):
        router = index.router_of[port.id]
        if router.gateway is not None and router.gateway.port == port.id:
            yield from _outside(index, router, port.id)


def _outside(index: Index, router: Router, gateway: str) -> Iterator[Row]:
    here = f'is_chassis_resident("cr-{naming.router_port(gateway)}")'
    # On the external switch a guest sends through the router's port there, and is sent to through it.
    ends = {"egress": f'inport == "{gateway}" && {here}', "ingress": f'outport == "{gateway}" && {here}'}
    yield from _rows(
        index, f"{router.id}/gateway", router.gateway.qos_policy if router.gateway else None, ends, _GATEWAY
    )
    for floating in index.topology.floating_ips:
        if floating.router == router.id:
            yield from _rows(index, floating.id, floating.qos_policy, _addressed(ends, floating), _FLOATING)


def _addressed(ends: dict[str, str], floating: FloatingIp) -> dict[str, str]:
    ip = "ip6" if naming.version(floating.address) == 6 else "ip4"
    return {
        "egress": f"{ends['egress']} && {ip}.src == {floating.address}",
        "ingress": f"{ends['ingress']} && {ip}.dst == {floating.address}",
    }


def _rows(index: Index, key: str, policy: str | None, ends: dict[str, str], priority: int) -> Iterator[Row]:
    for rule in index.qos_rules(policy):
        done = _done(rule)
        if done is not None:
            columns: dict[str, Value] = {
                "priority": priority,
                "direction": _DIRECTIONS[rule.direction],
                "match": ends[rule.direction],
                **done,
            }
            yield row("QoS", f"{key}/{rule.kind}/{rule.direction}", columns)


def _done(rule: QosRule) -> dict[str, Value] | None:
    """What a row does: marks, limits, or nothing."""
    if rule.kind == "dscp_marking":
        return {"action": {"dscp": rule.dscp_mark}, "bandwidth": {}}
    if rule.kind == "bandwidth_limit":
        rate = max(rule.max_kbps, 1)
        burst = max(rule.max_burst_kbps or int(rate * _BURST_PART), 1)
        return {"action": {}, "bandwidth": {"rate": rate, "burst": burst}}
    return None


def least_bps(index: Index, policy: str | None) -> int | None:
    """What a port is promised of what its host sends, in bit/s."""
    return next((rule.min_kbps * 1000 for rule in index.qos_rules(policy) if rule.kind == "minimum_bandwidth"), None)

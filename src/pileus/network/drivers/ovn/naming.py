"""Names and made-up addresses of what we put into OVN; each follows from an id, so both ends agree without talking.

A port's name in OVN is its id (OVS finds it by `iface-id`); other names carry a prefix that tells what they are.
"""

import hashlib
import ipaddress


def switch(network_id: str) -> str:
    """Name of a network's logical switch."""
    return f"net-{network_id}"


def router(router_id: str) -> str:
    """Name of a logical router."""
    return f"router-{router_id}"


def router_port(port_id: str) -> str:
    """Name of the router's end of a port."""
    return f"lrp-{port_id}"


def provider_port(network_id: str) -> str:
    """Name of the port through which a network reaches the physical one."""
    return f"provider-{network_id}"


def metadata_port(network_id: str) -> str:
    """Name of the port metadata is served on, where the topology has none of its own for it."""
    return f"metadata-{network_id}"


def group(group_id: str) -> str:
    """Name of a security group's port group; only letters, digits and _ may appear in OVN's expressions."""
    return f"sg_{group_id.replace('-', '_')}"


def address_group(group_id: str, ethertype: str) -> str:
    """Name of the set of an address group's blocks of one IP version."""
    return f"ag_{group_id.replace('-', '_')}_{'ip6' if ethertype == 'IPv6' else 'ip4'}"


def made_up_mac(seed: str) -> str:
    """A unicast, locally administered MAC that follows from `seed`."""
    digest = hashlib.blake2b(seed.encode(), digest_size=4).digest()
    return "fa:16:" + ":".join(f"{octet:02x}" for octet in digest)


def version(address: str) -> int:
    """4 or 6, of an address or a block."""
    return 6 if ":" in address else 4


def prefix_length(cidr: str) -> int:
    """Bits of the network part of a block."""
    return ipaddress.ip_network(cidr, strict=False).prefixlen

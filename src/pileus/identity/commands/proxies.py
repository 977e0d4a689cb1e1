"""What proxies say of those whose requests they hand on. Only those of the trusted networks are believed."""

from collections.abc import Mapping
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from pileus.identity.app import Identity
from pileus.identity.models.logins import Named


@cache
def _networks(trusted: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    return [ip_network(one, strict=False) for one in trusted]


def is_trusted(app: Identity, client: str) -> bool:
    """Whether the address is that of a trusted proxy."""
    try:
        address = ip_address(client)
    except ValueError:
        return False
    return any(address in network for network in _networks(app.config.trusted_proxies))


def remote_user_of(app: Identity, client: str, headers: Mapping[str, str]) -> Named | None:
    """Who logged in at a trusted proxy; None when nobody did, or nobody trusted says so."""
    name = headers.get(app.config.remote_user_header.lower())
    if not name or not is_trusted(app, client):
        return None
    domain = headers.get(app.config.remote_domain_header.lower())
    return Named(name=name, domain=Named(name=domain) if domain else Named(id=app.config.default_domain))


def address_of(app: Identity, client: str, headers: Mapping[str, str]) -> str:
    """Where a request came from: the last address that no trusted proxy has, as the trusted ones tell."""
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    at = client
    while hops and is_trusted(app, at):
        at = hops.pop()
    return at

"""Names of ports for the name service: the one given, or one that follows from the address."""

from pileus.network.errors import InvalidInput


def hostname(dns_name: str, address: str) -> str:
    """What a port with the address is called in its domain."""
    return dns_name or "host-" + address.replace(".", "-").replace(":", "-")


def short_name(given: str, domain: str) -> str:
    """The name without its domain; raises InvalidInput for a full name in another one."""
    name = given.lower()
    if not name.endswith("."):
        return name
    ending = f".{domain.strip('.').lower()}."
    if not name.endswith(ending):
        raise InvalidInput(why=f"dns_name '{given}' is not in the domain '{domain}' of the network")
    return name.removesuffix(ending)

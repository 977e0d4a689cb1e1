"""Hosts that name accounts, containers and buckets, as domains that were pointed at the cloud do."""

PREFIX = "AUTH"  # of accounts; a host has no underscores, so it is followed by a dash there


def name_of(host: str) -> str:
    """A Host header as names compare: without port and last dot, in lower case."""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower().rstrip(".")


def below(host: str, domains: tuple[str, ...]) -> str | None:
    """What stands before a domain in a host; empty for the domain itself, None when the host is in none."""
    name = name_of(host)
    for domain in domains:
        if name == domain:
            return ""
        if name.endswith(f".{domain}"):
            return name.removesuffix(f".{domain}")
    return None


def named_by(labels: str) -> tuple[str, str | None] | None:
    """The account, and the container, that `container.account` or `account` means; None when it means none."""
    container, dot, account = labels.rpartition(".")
    if not account or "." in container or (dot and not container):
        return None
    account = account.replace("-", "_", 1) if account.startswith(f"{PREFIX.lower()}-") else account
    prefix, _, rest = account.partition("_")
    whole = f"{PREFIX}_{rest}" if prefix == PREFIX.lower() and rest else f"{PREFIX}_{account}"
    return whole, container or None

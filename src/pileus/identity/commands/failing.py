"""How often logins may fail, by the user they name and by the address they come from, at all controllers together.

What is counted by is the same whether there is such a user or not, so that nobody learns from it who exists.
"""

import hashlib
import math
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network

from pileus.identity.app import Identity
from pileus.identity.errors import TooManyFailures
from pileus.identity.models import Project, User
from pileus.identity.models.logins import Named
from pileus.identity.models.rates import Bucket, wait_at
from pileus.identity.store.once import failure_add, failures_empty, levels_of

ONE_HOME = 64  # bits of an IPv6 address that tell whose it is; the rest everybody chooses for themselves


def buckets_of(app: Identity, address: str, named: Sequence[Named | None]) -> list[Bucket]:
    """What the failures of somebody are counted by who comes from there and says who they are."""
    found: dict[str, int] = {}
    for one in named:
        if one is not None and app.config.failed_logins_of_user:
            place = one.domain.id or one.domain.name or "" if one.domain else ""
            found[_key("user", place, one.id or one.name or "")] = app.config.failed_logins_of_user
    if address and app.config.failed_logins_from_address:
        found[_key("address", _home(address))] = app.config.failed_logins_from_address
    return [Bucket(key, most) for key, most in found.items()]


def _key(*parts: str) -> str:
    # What people type where their name belongs is now and then their password: it is not kept.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _home(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, ONE_HOME), strict=False))
    return address


async def refuse_failing(app: Identity, buckets: Sequence[Bucket]) -> None:
    """Raise TooManyFailures for who has failed too often a short while ago."""
    if not buckets:
        return
    levels = await levels_of(app, buckets)
    wait = max(wait_at(level, bucket.most) for level, bucket in zip(levels, buckets, strict=True))
    if wait > 0:
        raise TooManyFailures(seconds=math.ceil(wait))


async def forgive_failures(app: Identity, user: User, domain: Project) -> None:
    """Nobody has failed as this user, by whichever of their names; addresses are another matter."""
    places = (None, Named(id=domain.id), Named(name=domain.name))
    named = [Named(id=user.id, domain=place) for place in places]
    named += [Named(name=user.name, domain=place) for place in places]
    await failures_empty(app, buckets_of(app, "", named))


async def count_failure(app: Identity, buckets: Sequence[Bucket]) -> None:
    """They have failed once more."""
    if buckets:
        async with app.db.transaction():
            await failure_add(app, buckets)

"""Everybody's tries to say who they are: how often they may fail, and what auditors are told of them.

Failures are counted by the user who is named and by the address they come from, at all controllers together. What is
counted by is the same whether there is such a user or not, so that nobody learns from it who exists.
"""

import contextlib
import hashlib
import math
from collections.abc import AsyncIterator, Sequence
from ipaddress import IPv6Address, ip_address, ip_network

import msgspec

from pileus.identity.app import Identity
from pileus.identity.errors import TooManyFailures
from pileus.identity.models import Project, User
from pileus.identity.models.audit import of_login
from pileus.identity.models.logins import Named
from pileus.identity.models.rates import Bucket, wait_at
from pileus.identity.store.once import failure_add, failures_empty, levels_of
from pileus.kit.errors import Unauthorized

ONE_HOME = 64  # bits of an IPv6 address that tell whose it is; the rest everybody chooses for themselves
LONGEST = 255


class Attempt(msgspec.Struct):
    """Somebody tries to say who they are; whoever lets them in says who it was, and why that is not enough yet."""

    methods: Sequence[str]
    address: str = ""
    named: Sequence[Named | None] = ()
    user_id: str = ""
    missing: str | None = None


@contextlib.asynccontextmanager
async def attempted(app: Identity, attempt: Attempt) -> AsyncIterator[Attempt]:
    """Auditors are told how it ended in the block; who failed there too often a short while ago does not get that far."""
    buckets = buckets_of(app, attempt.address, attempt.named)
    await _refuse_failing(app, buckets)
    try:
        yield attempt
    except Unauthorized as refused:
        async with app.db.transaction():
            await failure_add(app, buckets)
            await _tell(app, attempt, refused.code)
        raise
    await _tell(app, attempt, attempt.missing)


async def tell_failure(app: Identity, attempt: Attempt, reason: str) -> None:
    """Auditors are told that it failed, unless they were told of too many a short while ago; it is not counted.

    For requests that are signed anew each time, with secrets that nobody can guess.
    """
    at = app.clock.monotonic()
    bounds = ((f"attempt/{_said(attempt)}", app.config.refusals_told_of_user), ("attempt", app.config.refusals_told))
    if any(not most or app.memory.rates.wait_s(key, most, at) > 0 for key, most in bounds):
        return
    for key, most in bounds:
        app.memory.rates.failed(key, most, at)
    await _tell(app, attempt, reason)


async def tell_success(app: Identity, attempt: Attempt) -> None:
    """Auditors are told of it."""
    await _tell(app, attempt, None)


def _said(attempt: Attempt) -> str:
    named = next((one for one in attempt.named if one is not None), None)
    return (named.id or named.name or "" if named is not None else "")[:LONGEST]


async def _tell(app: Identity, attempt: Attempt, reason: str | None) -> None:
    if app.events is None:
        return
    user = attempt.user_id or _said(attempt)
    methods = tuple(method[:LONGEST] for method in attempt.methods)
    told = of_login(user=user, methods=methods, address=attempt.address, reason=reason)
    async with app.db.transaction():
        await app.events.tell(
            "identity.authenticate", f"user:{user}"[:LONGEST], payload=told, user_id=attempt.user_id or None
        )


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


async def _refuse_failing(app: Identity, buckets: Sequence[Bucket]) -> None:
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

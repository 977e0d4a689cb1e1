"""A login as it is asked for: how somebody says who they are, and where they want to act."""

from collections.abc import Mapping

import msgspec

from pileus.identity.models.oauth1 import Signed


class Named(msgspec.Struct, frozen=True):
    """A thing named by id, or by name and, where names repeat, the domain it is in."""

    id: str | None = None
    name: str | None = None
    domain: "Named | None" = None


class ScopeAsked(msgspec.Struct, frozen=True):
    """The scope a login asks for; nothing of it set means: explicitly none."""

    project: Named | None = None
    domain: Named | None = None
    system: bool = False
    trust_id: str | None = None


class ApplicationNamed(msgspec.Struct, frozen=True):
    """An application credential with its secret, named by id, or by name and user."""

    secret: str
    id: str | None = None
    name: str | None = None
    user: Named | None = None

    def __repr__(self) -> str:
        return f"ApplicationNamed(id={self.id}, name={self.name})"


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody says who they are, and where they want to act; without a scope, in their default project."""

    methods: tuple[str, ...]
    user: Named | None = None
    password: str | None = None
    passcode_user: Named | None = None
    passcode: str | None = None
    token: str | None = None
    application: ApplicationNamed | None = None
    oauth1: Signed | None = None
    remote_user: Named | None = None  # as a proxy that is trusted says
    receipt: str | None = None
    scope: ScopeAsked | None = None
    address: str = ""

    def __repr__(self) -> str:
        return f"Login(methods={self.methods}, address={self.address})"


def missing_methods(options: Mapping[str, object], known: frozenset[str], used: frozenset[str]) -> list[list[str]]:
    """The sets of methods of which a user must use one, where none is complete; empty when enough were used.

    Rules that name a method there is not, or none, do not count: a slip must not lock somebody out.
    """
    if not options.get("multi_factor_auth_enabled", True):
        return []
    given = options.get("multi_factor_auth_rules") or []
    assert isinstance(given, list), "the wire says so"
    rules = [list(dict.fromkeys(rule)) for rule in given if rule and set(rule) <= known]
    return [] if any(set(rule) <= used for rule in rules) else rules

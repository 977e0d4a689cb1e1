"""Who asks: the caller behind a request, and the promise of whoever can tell from a token."""

import re
from functools import cache
from typing import Protocol

import msgspec


class AccessRule(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request: in the path, `*` and `{name}` stand for one segment, `**` for any number of them."""

    service: str
    method: str
    path: str

    def allows(self, service: str, method: str, path: str) -> bool:
        """Whether it is such a request."""
        return self.service == service and self.method == method and _pattern(self.path).fullmatch(path) is not None


@cache
def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*|\{[^/{}]*\})", path)
    return re.compile(
        "".join(".*" if part == "**" else "[^/]+" if at % 2 else re.escape(part) for at, part in enumerate(parts))
    )


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A user acting in one scope: a project, a domain, the system, or none.

    `roles` holds the names, implied ones included. `token` is what the request carried; it never reaches a log.
    """

    user_id: str
    user_name: str = ""
    user_domain_id: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    project_domain_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    roles: frozenset[str] = frozenset()
    token: str | None = None
    access_rules: tuple[AccessRule, ...] | None = None  # the only requests the caller may make; None: any
    certificate: str | None = None  # thumbprint of the client certificate without which the token is worth nothing

    @property
    def admin(self) -> bool:
        """Whether the caller holds the admin role, in whatever scope."""
        return "admin" in self.roles

    def may_ask(self, service: str, method: str, path: str) -> bool:
        """Whether the caller may make such a request at all; what comes of it is another question."""
        if self.access_rules is None:
            return True
        return any(rule.allows(service, method, path) for rule in self.access_rules)

    def __repr__(self) -> str:
        return f"Caller(user={self.user_id}, project={self.project_id}, roles={sorted(self.roles)})"


NOBODY = Caller(user_id="")


class Authenticator(Protocol):
    """Turns a token into its caller."""

    async def caller(self, token: str) -> Caller:
        """The caller the token stands for; raises Unauthorized when it is unknown, expired or revoked."""
        ...

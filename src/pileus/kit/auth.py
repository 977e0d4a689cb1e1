"""Who asks: the caller behind a request, and the promise of whoever can tell from a token."""

from typing import Protocol

import msgspec


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

    @property
    def admin(self) -> bool:
        """Whether the caller holds the admin role, in whatever scope."""
        return "admin" in self.roles

    def __repr__(self) -> str:
        return f"Caller(user={self.user_id}, project={self.project_id}, roles={sorted(self.roles)})"


NOBODY = Caller(user_id="")


class Authenticator(Protocol):
    """Turns a token into its caller."""

    async def caller(self, token: str) -> Caller:
        """The caller the token stands for; raises Unauthorized when it is unknown, expired or revoked."""
        ...

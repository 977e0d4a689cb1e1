"""Application credentials: what programs log in with instead of a user's password, and the requests they may make."""

import datetime as dt
from collections.abc import Mapping

import msgspec

from pileus.kit.auth import AccessRule


class ApplicationCredential(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a user's roles in one project, for whoever knows the secret; `rule_ids` None means: any request."""

    id: str
    user_id: str
    project_id: str
    name: str
    description: str | None = None
    secret_hash: str
    role_ids: tuple[str, ...]
    rule_ids: tuple[str, ...] | None = None
    unrestricted: bool = False
    expires_at: dt.datetime | None = None
    certificate: str | None = None  # thumbprint of the client certificate its tokens are bound to

    def policy_target(self) -> Mapping[str, object]:
        """What rules see of an application credential."""
        return {"target.user.id": self.user_id, "user_id": self.user_id, "project_id": self.project_id}

    def holds(self, now: dt.datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or now < self.expires_at

    def __repr__(self) -> str:
        return f"ApplicationCredential(id={self.id}, user_id={self.user_id}, name={self.name})"


class KeptRule(AccessRule, frozen=True, kw_only=True):
    """An access rule of a user, which several of their application credentials may share."""

    id: str
    user_id: str

    def policy_target(self) -> Mapping[str, object]:
        """What rules see of an access rule."""
        return {"target.user.id": self.user_id, "user_id": self.user_id}

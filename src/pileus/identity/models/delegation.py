"""What lets somebody act beside a password: credentials of other kinds, trusts; and the policies other programs keep here."""

import datetime as dt
from collections.abc import Mapping

import msgspec

from pileus.identity.models.entities import Extra


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A secret of a user, kept for whoever checks it; `sealed` is unreadable without the keys of this cloud."""

    id: str
    user_id: str
    project_id: str | None = None
    type: str
    sealed: str
    extra: Extra = {}

    def policy_target(self) -> Mapping[str, object]:
        """What rules see of a credential."""
        return {
            "target.credential.id": self.id,
            "target.credential.user_id": self.user_id,
            "target.credential.project_id": self.project_id,
            "user_id": self.user_id,
        }

    def __repr__(self) -> str:
        return f"Credential(id={self.id}, user_id={self.user_id}, type={self.type})"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Rules another program reads; to us they are text."""

    id: str
    type: str
    blob: str
    extra: Extra = {}


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """One user lets another act in a project with some of their roles; with impersonation, in their name."""

    id: str
    trustor_user_id: str
    trustee_user_id: str
    project_id: str
    impersonation: bool
    expires_at: dt.datetime | None = None
    remaining_uses: int | None = None
    redelegated_trust_id: str | None = None  # the trust this one gives on
    redelegation_count: int | None = None  # how often it may be given on, one to the other
    role_ids: tuple[str, ...] = ()
    extra: Extra = {}

    def policy_target(self) -> Mapping[str, object]:
        """What rules see of a trust."""
        return {
            "target.trust.id": self.id,
            "target.trust.trustor_user_id": self.trustor_user_id,
            "target.trust.trustee_user_id": self.trustee_user_id,
        }

    def holds(self, now: dt.datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or now < self.expires_at

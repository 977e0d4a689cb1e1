"""Things identity knows: domains and projects, users and groups, roles, assignments, services and endpoints.

A domain is a project without a domain that may own users, groups and further projects; so both are one kind of row.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.identity.models.audit import noted

Extra = dict[str, Any]  # what clients keep beside the named fields: any JSON
SYSTEM = "system"  # the scope id of assignments on the system


MAX_DEPTH = 5  # how deep projects may be nested below their domain


def new_id() -> str:
    """A new id, as identity writes them: 32 hexadecimal digits."""
    return noted(uuid.uuid4().hex)


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project, or a domain when `is_domain`."""

    id: str
    name: str
    domain_id: str | None = None
    parent_id: str | None = None
    is_domain: bool = False
    enabled: bool = True
    description: str = ""
    tags: tuple[str, ...] = ()
    options: Extra = {}
    extra: Extra = {}

    def policy_target(self) -> Mapping[str, object]:
        """What rules see of a project or a domain."""
        if self.is_domain:
            return {"target.domain.id": self.id, "target.project.id": self.id, "target.project.domain_id": None}
        return {"target.project.id": self.id, "target.project.domain_id": self.domain_id, "project_id": self.id}


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may log in; tokens issued before `tokens_after` are void."""

    id: str
    name: str
    domain_id: str
    enabled: bool = True
    password_hash: str | None = None
    default_project_id: str | None = None
    password_expires_at: dt.datetime | None = None
    tokens_after: dt.datetime | None = None
    password_set_at: dt.datetime | None = None
    active_at: dt.datetime | None = None  # looked after only where inactivity locks out
    options: Extra = {}
    extra: Extra = {}

    def policy_target(self) -> Mapping[str, object]:
        """What rules see of a user."""
        return {"target.user.id": self.id, "target.user.domain_id": self.domain_id, "user_id": self.id}

    def __repr__(self) -> str:
        return f"User(id={self.id}, name={self.name})"


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Users that are given roles together."""

    id: str
    name: str
    domain_id: str
    description: str = ""
    extra: Extra = {}

    def policy_target(self) -> Mapping[str, object]:
        """What rules see of a group."""
        return {"target.group.id": self.id, "target.group.domain_id": self.domain_id}


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A name for rights; one with a domain never shows in tokens, only the roles it implies do."""

    id: str
    name: str
    domain_id: str | None = None
    description: str | None = None
    options: Extra = {}
    extra: Extra = {}

    def policy_target(self) -> Mapping[str, object]:
        """What rules see of a role."""
        return {
            "target.role.id": self.id,
            "target.role.name": self.name,
            "target.role.domain_id": self.domain_id,
        }


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """A role given to a user or a group in a scope; an inherited one holds in the projects below, not in the scope."""

    actor_kind: str  # user or group
    actor_id: str
    scope_kind: str  # project, domain or system
    scope_id: str
    role_id: str
    inherited: bool = False


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service in the catalog."""

    id: str
    type: str
    name: str | None = None
    description: str | None = None
    enabled: bool = True
    extra: Extra = {}


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An address of a service; those of `bootstrap` follow when the cloud listens elsewhere."""

    id: str
    service_id: str
    interface: str
    url: str
    region_id: str | None = None
    enabled: bool = True
    bootstrapped: bool = False
    extra: Extra = {}


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the cloud with endpoints of its own."""

    id: str
    description: str = ""
    parent_region_id: str | None = None
    extra: Extra = {}

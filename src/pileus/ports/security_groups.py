"""What the network service promises of security groups: compute's API handed them on until 2.35, and shows a server's.

Every verb joins the ambient transaction. A caller sees his project's groups and those shared with it, an admin all.
Problems are the network's own errors, fit for the caller's eyes.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from pileus.kit.auth import Caller


class GroupRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a group lets through; None is any."""

    id: str
    group_id: str
    direction: str  # ingress, egress
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_prefix: str | None = None
    remote_group_id: str | None = None


class GroupFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A security group."""

    id: str
    name: str
    description: str
    project_id: str
    rules: tuple[GroupRule, ...] = ()


class NewGroupRule(msgspec.Struct, frozen=True, kw_only=True):
    """What else a group shall let in."""

    group_id: str
    protocol: str | None
    port_min: int | None
    port_max: int | None
    remote_prefix: str | None = None
    remote_group_id: str | None = None


class SecurityGroups(Protocol):
    """Security groups, by those who may see them."""

    async def list(self, caller: Caller, *, everybodys: bool = False) -> Sequence[GroupFacts]:
        """The groups of the caller's project, or of all, by project and name."""
        ...

    async def named(self, caller: Caller, ids: Sequence[str]) -> Sequence[GroupFacts]:
        """Those of the groups with these ids that exist and that the caller sees."""
        ...

    async def of_server(self, server_id: str) -> Sequence[GroupFacts]:
        """The groups that ports of the server are in, by name."""
        ...

    async def create(self, caller: Caller, name: str, description: str) -> GroupFacts:
        """The caller's project has the group."""
        ...

    async def change(self, caller: Caller, id: str, name: str, description: str) -> GroupFacts:
        """The group, which the caller sees, is called so."""
        ...

    async def remove(self, caller: Caller, id: str) -> None:
        """The group, which the caller sees, is gone."""
        ...

    async def add_rule(self, caller: Caller, rule: NewGroupRule) -> GroupRule:
        """The group, which the caller sees, has the rule for what comes in."""
        ...

    async def remove_rule(self, caller: Caller, id: str) -> None:
        """The rule, in a group the caller sees, is gone."""
        ...

"""What new security groups say: templates of rules, four of them built in."""

import datetime as dt
import uuid

import msgspec

from pileus.network.models.requests import NewRule
from pileus.network.models.resources import Standard

PARENT = "PARENT"  # as a remote group: the new group itself
_SPACE = uuid.UUID("0f6b3a0e-5a1f-4b63-9a3e-6d1d5f0c2b11")
_EPOCH = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class DefaultRule(Standard, frozen=True):
    """A rule that new groups get: the projects' default ones, the others, or both."""

    direction: str
    ethertype: str
    protocol: str | None
    port_min: int | None
    port_max: int | None
    remote_prefix: str | None
    remote_group: str | None
    address_group: str | None
    in_default: bool
    in_others: bool


class Statefulness(Standard, frozen=True):
    """Whether a project's new security groups follow connections."""

    stateful: bool


class NewDefaultRule(msgspec.Struct, frozen=True, kw_only=True):
    """A template to make."""

    rule: NewRule
    in_default: bool
    in_others: bool
    description: str = ""
    project_id: str = ""


def _built_in(direction: str, ethertype: str, *, members: bool) -> DefaultRule:
    return DefaultRule(
        id=str(uuid.uuid5(_SPACE, f"{direction} {ethertype}")),
        project_id="",
        name="",
        description="",
        tags=(),
        revision=0,
        created_at=_EPOCH,
        updated_at=_EPOCH,
        direction=direction,
        ethertype=ethertype,
        protocol=None,
        port_min=None,
        port_max=None,
        remote_prefix=None,
        remote_group=PARENT if members else None,
        address_group=None,
        in_default=True,
        in_others=not members,
    )


# Everything may go out; in a project's default group, its members may reach each other.
BUILT_IN = (
    _built_in("egress", "IPv4", members=False),
    _built_in("egress", "IPv6", members=False),
    _built_in("ingress", "IPv4", members=True),
    _built_in("ingress", "IPv6", members=True),
)


def rule_of(template: DefaultRule, project_id: str, group_id: str) -> NewRule:
    """The rule a new group gets of a template."""
    return NewRule(
        project_id=project_id,
        group_id=group_id,
        direction=template.direction,
        description=template.description,
        ethertype=template.ethertype,
        protocol=template.protocol,
        port_min=template.port_min,
        port_max=template.port_max,
        remote_prefix=template.remote_prefix,
        remote_group=group_id if template.remote_group == PARENT else template.remote_group,
        address_group=template.address_group,
    )

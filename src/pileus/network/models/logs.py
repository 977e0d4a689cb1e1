"""Logs of what security groups let through and drop."""

import msgspec

from pileus.network.models.resources import Standard

GROUPS = "security_group"  # the one kind of thing that can be logged
ALL, ACCEPT, DROP = "ALL", "ACCEPT", "DROP"


class Log(Standard, frozen=True):
    """What a group lets through or drops is logged: of one group, of the groups of one port, or of all of the project."""

    enabled: bool
    event: str
    resource_type: str
    resource_id: str | None
    target_id: str | None


class NewLog(msgspec.Struct, frozen=True, kw_only=True):
    """A log to make."""

    project_id: str
    resource_type: str
    event: str = ALL
    enabled: bool = True
    name: str = ""
    description: str = ""
    resource_id: str | None = None
    target_id: str | None = None

"""Limits: how much of a resource of a service a project may use, and what a tree of projects may use together.

A registered limit is the default for everybody; a limit stands for one project or domain. In the flat model each project
counts for itself. In the strict two-level model no project's limit is above that of its domain (or parent project), and all
of a domain's projects together stay within the domain's.
"""

from collections.abc import Mapping

import msgspec

FLAT = "flat"
STRICT = "strict_two_level"
DESCRIPTIONS = {
    FLAT: "Limit enforcement and validation does not take project hierarchy into consideration.",
    STRICT: (
        "This model requires project hierarchy never exceeds a depth of two and the aggregate usage of the projects in a "
        "domain never exceeds the limit of the domain."
    ),
}


class RegisteredLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What a project may use of a resource when nothing else is said; `region_id` None means in all regions."""

    id: str
    service_id: str
    region_id: str | None = None
    resource_name: str
    default_limit: int
    description: str | None = None


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What one project, or one domain, may use of a resource; -1 is without limit."""

    id: str
    registered_limit_id: str
    project_id: str | None = None
    domain_id: str | None = None
    service_id: str
    region_id: str | None = None
    resource_name: str
    resource_limit: int
    description: str | None = None

    def policy_target(self) -> Mapping[str, object]:
        """What rules see of a limit; the domain of its project is not known here."""
        return {"target.limit.project_id": self.project_id, "target.limit.domain.id": self.domain_id}


def within(child: int, parent: int) -> bool:
    """Whether a limit does not allow more than the one above it."""
    return parent == -1 or (child != -1 and child <= parent)

"""What identity promises about limits: how much a project may use of what a service has registered limits for."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class Bound(msgspec.Struct, frozen=True):
    """A project's own limit, and that of the tree it is in; -1 is without limit.

    `tree` names all projects that share `whole`, the project itself included; it is empty where none do.
    """

    limit: int
    tree: Sequence[str] = ()
    whole: int | None = None

    def allows(self, used: int, used_in_tree: int, wanted: int) -> bool:
        """Whether so much more may be used, beside what the project and its tree use already."""
        alone = self.limit == -1 or used + wanted <= self.limit
        return alone and (self.whole is None or self.whole == -1 or used_in_tree + wanted <= self.whole)


class Limits(Protocol):
    """Tells limits; what is used, services know themselves."""

    async def bounds(self, project_id: str, service_type: str, region: str | None = None) -> Mapping[str, Bound]:
        """The project's bounds by name of resource; what is missing there has no registered limit."""
        ...

"""Quotas: what a project may have of volumes and what belongs to them."""

from collections.abc import Mapping

import msgspec

UNLIMITED = -1
LIMITED = ("volumes", "snapshots", "gigabytes", "backups", "backup_gigabytes", "groups", "per_volume_gigabytes")
COUNTED = ("volumes", "snapshots", "gigabytes")  # those that exist once more for each volume type


class Usage(msgspec.Struct, frozen=True):
    """What a project has, in all and of each volume type: `volumes_<type>` and so on.

    What volumes that grow are about to have is counted, and told apart as `reserved`.
    """

    volumes: int = 0
    snapshots: int = 0
    gigabytes: int = 0
    backups: int = 0
    backup_gigabytes: int = 0
    groups: int = 0
    by_type: Mapping[str, int] = {}
    reserved: Mapping[str, int] = {}

    def of(self, name: str) -> int:
        """How much of it is used."""
        return int(getattr(self, name)) if name in self.__struct_fields__ else self.by_type.get(name, 0)


def exceeded(limits: Mapping[str, int], used: Usage, asked: Mapping[str, int]) -> str | None:
    """The first limit that what is asked for would break."""
    for name, more in asked.items():
        limit = limits.get(name, UNLIMITED)
        if limit != UNLIMITED and more > 0 and used.of(name) + more > limit:
            return name
    return None

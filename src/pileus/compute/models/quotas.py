"""Quotas: how much a project may have, by the names clients know."""

from collections.abc import Mapping

import msgspec

UNLIMITED = -1

# What is limited here, and what is only shown since clients expect to find it.
LIMITED = ("instances", "cores", "ram", "key_pairs", "metadata_items", "server_groups", "server_group_members")
SHOWN: Mapping[str, int] = {
    "fixed_ips": UNLIMITED,
    "floating_ips": UNLIMITED,
    "security_groups": UNLIMITED,
    "security_group_rules": UNLIMITED,
    "injected_files": 5,
    "injected_file_content_bytes": 10240,
    "injected_file_path_bytes": 255,
}


class Usage(msgspec.Struct, frozen=True):
    """What a project has."""

    instances: int = 0
    cores: int = 0
    ram: int = 0


def lacking(limits: Mapping[str, int], used: Usage, asked: Usage) -> list[tuple[str, int, int, int]]:
    """What is too much: (name, asked, used, limit) of every quota that would be exceeded."""
    over = []
    for name in ("cores", "instances", "ram"):
        limit, have, more = limits[name], int(getattr(used, name)), int(getattr(asked, name))
        if more and limit != UNLIMITED and have + more > limit:
            over.append((name, more, have, limit))
    return over

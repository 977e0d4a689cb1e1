"""Options of block storage."""

from typing import Literal

import msgspec


class BlockStorageConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much a project may have, and how full back ends may be. A quota of -1 is no limit."""

    zone: str = "nova"  # the availability zone hosts are in
    zone_fallback: bool = False  # whether a volume for a zone there is none of is put into that one, and not refused
    default_type: str = "__DEFAULT__"  # what volumes are whose creators name no type
    over_subscription: float = 20.0  # how many times what a thin back end has may be promised
    reserved_percent: int = 0  # of a back end's room, never given to volumes
    compress_backups: bool = True
    backup_compression: Literal["zstd", "zlib", "bz2", "none"] = "zstd"  # how, unless they are not
    message_ttl_s: int = 2_592_000
    quota_volumes: int = 10
    quota_snapshots: int = 10
    quota_gigabytes: int = 1000
    quota_backups: int = 10
    quota_backup_gigabytes: int = 1000
    quota_groups: int = 10
    quota_per_volume_gigabytes: int = -1

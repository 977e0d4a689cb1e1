"""The programs operators look after, as this API lists them, and the pools volumes are put into."""

import datetime as dt
from typing import Any

import msgspec

SCHEDULER = "cinder-scheduler"
VOLUME = "cinder-volume"
BACKUP = "cinder-backup"
PROGRAMS = (SCHEDULER, VOLUME, BACKUP)


def pool_name(host: str, backend: str | None) -> str:
    """A back end of a host, as this API writes it."""
    return f"{host}@{backend}#{backend}"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What an admin said of a service on a host."""

    host: str
    program: str
    disabled: bool = False
    reason: str | None = None
    frozen: bool = False
    updated_at: dt.datetime


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A program on a host, or a back end of it."""

    host: str
    program: str
    zone: str
    up: bool
    heard: dt.datetime
    disabled: bool = False
    reason: str | None = None
    frozen: bool = False
    backend_up: bool | None = None


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """A back end on a host, what it has, and what was promised of it."""

    host: str
    backend: str
    up: bool
    heard: dt.datetime
    total_gib: float
    free_gib: float
    allocated_gib: int = 0
    shared: str | None = None  # the store that several hosts have, as they call it
    capabilities: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """As this API writes it."""
        return pool_name(self.host, self.backend)

    @property
    def full(self) -> dict[str, Any]:
        """All a scheduler may be asked about."""
        return {
            "volume_backend_name": self.backend,
            "pool_name": self.backend,
            "total_capacity_gb": self.total_gib,
            "free_capacity_gb": self.free_gib,
            "allocated_capacity_gb": self.allocated_gib,
            "provisioned_capacity_gb": self.allocated_gib,
            **self.capabilities,
        }

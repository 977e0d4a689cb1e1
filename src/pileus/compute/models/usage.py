"""Usage: how long servers ran in a period, and what that adds up to."""

import datetime as dt

import msgspec

from pileus.compute.models.flavors import Size
from pileus.compute.models.servers import PowerWanted


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A server that was there, now or once."""

    id: str
    name: str
    project_id: str
    flavor: Size
    power_wanted: PowerWanted
    broken: bool
    launched_at: dt.datetime
    deleted_at: dt.datetime | None

    @property
    def state(self) -> str:
        """The word usage has for what became of it."""
        if self.deleted_at is not None:
            return "terminated"
        if self.broken:
            return "error"
        return "active" if self.power_wanted is PowerWanted.ON else "stopped"

    def hours(self, start: dt.datetime, stop: dt.datetime) -> float:
        """How long it was there between two moments."""
        until = stop if self.deleted_at is None else min(self.deleted_at, stop)
        return max((until - max(self.launched_at, start)).total_seconds(), 0.0) / 3600

    def lived(self, now: dt.datetime) -> int:
        """How many seconds it was there in all."""
        return int(((self.deleted_at or now) - self.launched_at).total_seconds())


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """What usage adds up to, each amount times the hours it was held."""

    hours: float = 0.0
    vcpus: float = 0.0
    memory_mb: float = 0.0
    local_gb: float = 0.0

    def plus(self, size: Size, hours: float) -> "Total":
        """The total with one more server in it."""
        return Total(
            hours=self.hours + hours,
            vcpus=self.vcpus + size.vcpus * hours,
            memory_mb=self.memory_mb + size.ram * hours,
            local_gb=self.local_gb + (size.disk + size.ephemeral) * hours,
        )

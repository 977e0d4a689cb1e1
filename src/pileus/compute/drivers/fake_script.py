"""What a fake hypervisor can be told: to fail, to be slow, and what its guests do not hear."""

import asyncio
import datetime as dt
from collections import defaultdict

from pileus.compute.drivers.interface import Changed, DiskError, DriverError


class Script:
    """The part of a fake that tests and drills write."""

    def __init__(self) -> None:
        self._failures: defaultdict[str, list[str]] = defaultdict(list)
        self._delays: dict[str, float] = {}
        self._deaf: set[str] = set()
        self._held: dict[str, bool] = {}
        self._panics: dict[str, dt.datetime | None] = {}
        self._disk_errors: dict[str, tuple[DiskError, ...]] = {}
        self._changed: Changed = lambda id: None

    def fail_next(self, verb: str, why: str, times: int = 1) -> None:
        """The next calls of `verb` (ensure, ensure_power, ensure_gone, observe, open, give, depart, arrive) raise DriverError."""
        self._failures[verb] += [why] * times

    def delay(self, verb: str, seconds: float) -> None:
        """From now on `verb` takes that long."""
        self._delays[verb] = seconds

    def deafen(self, id: str) -> None:
        """The guest hears nothing: a stop or soft reboot waits until `run_out_of_patience`, and so does a card's leaving."""
        self._deaf.add(id)

    def run_out_of_patience(self, id: str) -> None:
        """The guest has had its time; from now on it hears."""
        self._deaf.discard(id)
        self._changed(id)

    def guest_panics(self, id: str, at: dt.datetime | None) -> None:
        """The guest's kernel has panicked then, or runs again."""
        self._panics[id] = at
        self._changed(id)

    def disks_fail(self, id: str, *errors: DiskError) -> None:
        """These are the server's disks' errors since it was started."""
        self._disk_errors[id] = errors
        self._changed(id)

    def hold(self, id: str) -> None:
        """The server's memory changes as fast as it is sent: its departure goes on until `release`, or until it is hurried."""
        self._held[id] = True

    def release(self, id: str) -> None:
        """Its memory can be sent now."""
        self._held.pop(id, None)
        self._changed(id)

    async def _obey(self, verb: str) -> None:
        if self._delays.get(verb):
            await asyncio.sleep(self._delays[verb])
        if self._failures[verb]:
            raise DriverError(f"The fake was told to fail {verb}", self._failures[verb].pop(0))

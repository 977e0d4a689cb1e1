"""Time, as tests can set it."""

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time: `now` for people and rows (UTC, aware), `seconds` since 1970, `monotonic` for durations in seconds."""

    def now(self) -> dt.datetime: ...
    def seconds(self) -> float: ...
    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def seconds(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class FakeClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: dt.datetime | None = None) -> None:
        self._now = start or dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        self._elapsed = 0.0

    def now(self) -> dt.datetime:
        return self._now + dt.timedelta(seconds=self._elapsed)

    def seconds(self) -> float:
        return self.now().timestamp()

    def monotonic(self) -> float:
        return self._elapsed

    def move(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._elapsed += seconds

"""Moments as object storage writes them: seconds since 1970 with five decimals, as text that sorts as time does."""

import datetime as dt
import math
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

from pileus.kit.clock import Clock

TICKS = 100_000  # in a second


class Stamps:
    """Hands out moments; none twice, and none earlier than the one before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> str:
        """The stamp of something that happens now."""
        self._last = max(int(self._clock.seconds() * TICKS), self._last + 1)
        return of_ticks(self._last)

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock.seconds()


def of_ticks(ticks: int) -> str:
    """The stamp of so many hundred-thousandths of a second since 1970."""
    return f"{ticks // TICKS:010d}.{ticks % TICKS:05d}"


def stamp_of(text: str) -> str:
    """The stamp of a client's or a file's number; raises ValueError when it is none that can be."""
    value = float(text)
    if not math.isfinite(value) or not 0 <= value < 10_000_000_000:
        raise ValueError(text)
    return of_ticks(round(value * TICKS))


def ticks_of(stamp: str) -> int:
    """How many hundred-thousandths of a second since 1970 a stamp is."""
    whole, _, part = stamp.partition(".")
    return int(whole) * TICKS + int(part)


def http_date(stamp: str) -> str:
    """As in Last-Modified: whole seconds, rounded up, so that nothing seems older than it is."""
    return date_of(math.ceil(float(stamp)))


@lru_cache(maxsize=1024)
def date_of(seconds: int) -> str:
    """As in Date; most answers of a second have the same, and what is written together is dated alike."""
    return formatdate(seconds, usegmt=True)


def iso(stamp: str) -> str:
    """As in listings: `2026-01-01T00:00:00.000000`."""
    return dt.datetime.fromtimestamp(float(stamp), dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def seconds_of_date(text: str) -> float | None:
    """Seconds since 1970 of an HTTP date; None when it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None

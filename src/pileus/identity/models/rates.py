"""How often something may fail: buckets that leak. Each holds so many failures, and loses them evenly in a minute.

Who logs in wrongly is counted in the database, where all controllers see it (`Filled`); what only this process goes by is
counted here (`Rates`).
"""

import datetime as dt
from collections import OrderedDict

import msgspec

WINDOW_S = 60.0
# Tries that are under way at once all begin before one of them is counted. They have to be waited for afterwards, so that
# in the long run there are never more than allowed; but nobody is kept out for longer than so many windows.
MOST_DEBT = 10
KEPT = 50_000


def level_after(level: float, most: int, passed_s: float) -> float:
    """How many failures are left of so many, some time later; of a time that has not come yet, all."""
    return max(0.0, level - max(0.0, passed_s) * most / WINDOW_S)


def wait_at(level: float, most: int) -> float:
    """How long until one more failure fits in; 0 when it does now."""
    return 0.0 if level <= most - 1 else (level - most + 1) * WINDOW_S / most


class Bucket(msgspec.Struct, frozen=True):
    """What failures are counted by, which names nobody; and how many a minute are too many."""

    key: str
    most: int


class Filled(msgspec.Struct, frozen=True):
    """How full a bucket was at a moment."""

    key: str
    level: float
    at: dt.datetime

    def now(self, bucket: Bucket, now: dt.datetime) -> float:
        """How full it is now."""
        return level_after(self.level, bucket.most, (now - self.at).total_seconds())


class Rates:
    """Failures by key; what has leaked out is forgotten, and so are the oldest when there are too many keys."""

    def __init__(self) -> None:
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str, most: int, at: float) -> float:
        """How long until one more failure fits in; 0 when it does now."""
        return wait_at(self._level(key, most, at), most)

    def failed(self, key: str, most: int, at: float) -> None:
        """One more failure."""
        self._filled[key] = (min(self._level(key, most, at) + 1, most), at)
        self._filled.move_to_end(key)
        while len(self._filled) > KEPT:
            self._filled.popitem(last=False)

    def _level(self, key: str, most: int, at: float) -> float:
        level, since = self._filled.get(key, (0.0, at))
        return level_after(level, most, at - since)

"""How often something may fail: buckets that leak. Each holds so many failures, and loses them evenly in a minute."""

from collections import OrderedDict

WINDOW_S = 60.0
KEPT = 50_000


class Rates:
    """Failures by key; what has leaked out is forgotten, and so are the oldest when there are too many keys."""

    def __init__(self) -> None:
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str, most: int, at: float) -> float:
        """How long until one more failure fits in; 0 when it does now."""
        level = self._level(key, most, at)
        return 0.0 if level <= most - 1 else (level - most + 1) * WINDOW_S / most

    def failed(self, key: str, most: int, at: float) -> None:
        """One more failure."""
        self._filled[key] = (min(self._level(key, most, at) + 1, most), at)
        self._filled.move_to_end(key)
        while len(self._filled) > KEPT:
            self._filled.popitem(last=False)

    def _level(self, key: str, most: int, at: float) -> float:
        level, since = self._filled.get(key, (0.0, at))
        return max(0.0, level - (at - since) * most / WINDOW_S)

"""How a background worker is doing: one line for people, and whether it rests."""

from collections.abc import Callable
from contextvars import ContextVar

import msgspec

passing: ContextVar["Callable[[Progress], None] | None"] = ContextVar("passing", default=None)  # who wants to see it


class Progress(msgspec.Struct):
    """What one pass of a worker did; failures are counted, logged where they happen, and tried again by the next pass."""

    done: int = 0
    failed: int = 0
    seen: int = 0

    def __post_init__(self) -> None:
        watcher = passing.get()
        if watcher is not None:
            watcher(self)

    def line(self, what: str) -> str | None:
        """The pass in a few words; None when there was nothing to do."""
        if not self.done and not self.failed:
            return None
        return f"{self.done} {what}" + (f", {self.failed} could not be" if self.failed else "")

"""Objects whose files were written or read a moment ago: what is known of them, so that they can be read again without waiting.

Their directory entry, inode and bytes are in the kernel's memory, so opening and reading them takes microseconds, and a trip to a thread
would take ten times as long. Nothing here is believed for long, and whatever changes an object's files makes it forgotten first.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping

import msgspec

MOST = 16_384
SMALL = 1 << 16  # bytes
BELIEVED_S = 30.0  # since it was last used: by then the kernel may have dropped what it had in memory
TURNS = 64


class Known(msgspec.Struct):
    """What an object's newest file is, with its metadata as JSON."""

    path: str
    metadata: bytes
    size: int
    stamp: str
    used: float


class Recent:
    """What is known of a policy's objects on one device. May be asked and told from any thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = [0] * TURNS

    def turn(self, hash: str) -> int:
        """A number that is another one once an object with such a hash has changed."""
        return self._turns[int(hash[-4:], 16) % TURNS]

    def of(self, hash: str) -> Known | None:
        """What is known of an object."""
        now = time.monotonic()
        with self._lock:
            found = self._known.get(hash)
            if found is None or now - found.used > BELIEVED_S:
                return None
            self._known.move_to_end(hash)
            found.used = now
            return found

    def learn(self, path: str, metadata: Mapping[str, str], size: int, turn: int) -> None:
        """The file is its object's newest, if it is small enough and the object has not changed since its turn was asked for."""
        if not 0 < size <= SMALL:
            return
        name = path[path.rindex("/") + 1 :]
        hash, stamp = name[:32], name[33:49]
        known = Known(path, msgspec.json.encode(metadata), size, stamp, time.monotonic())
        with self._lock:
            if self._turns[int(hash[-4:], 16) % TURNS] != turn:
                return
            self._known[hash] = known
            if len(self._known) > MOST:
                self._known.popitem(last=False)

    def forget(self, hash: str) -> int:
        """The object is about to change, or has; what is being learned of it now is worth nothing. Returns the new turn."""
        at = int(hash[-4:], 16) % TURNS
        with self._lock:
            self._turns[at] += 1
            self._known.pop(hash, None)
            return self._turns[at]

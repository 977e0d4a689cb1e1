"""What one process remembers of the database between requests; all of it may be lost at any moment.

Every change to identity's rows ends a generation. What was read in one generation is used in that one only, so whoever
reads takes the number *before* reading and gives it back with what was found. Changes that other controllers made are
known by the count of all changes, which is looked up again when it was last seen longer ago than FOLLOWS_S.
"""

import datetime as dt
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from pileus.identity.models.rates import Rates
from pileus.identity.models.tokens import ValidToken

T = TypeVar("T")
FOLLOWS_S = 1.0
TEXTS_KEPT = 2_000


class Memory:
    """Valid tokens, and facts read whole (roles, catalog), of the present generation."""

    def __init__(self, tokens_kept: int) -> None:
        self.generation = 0
        self._tokens_kept = tokens_kept
        self._tokens: OrderedDict[str, ValidToken] = OrderedDict()
        self._facts: dict[str, object] = {}
        self._texts: OrderedDict[tuple[str | None, ...], bytes] = OrderedDict()
        self._revoked: dict[str, dt.datetime] = {}
        self.rates = Rates()
        self._done: OrderedDict[str, float] = OrderedDict()
        self._count = 0
        self._seen_at: float | None = None

    def stale(self, at: float) -> bool:
        """Whether the count of changes is to be looked up, by the monotonic clock."""
        return self._seen_at is None or at - self._seen_at >= FOLLOWS_S

    def saw(self, count: int, at: float) -> None:
        """The count of changes was this at that moment; more than was known ends the generation."""
        self._seen_at = at
        if count > self._count:
            self._count = count
            self.changed()

    def counted(self, count: int) -> None:
        """A change of our own got this number; what others changed before it is found out at the next look."""
        if count == self._count + 1:
            self._count = count

    def changed(self) -> None:
        """End the generation: nothing read before is used again."""
        self.generation += 1
        self._tokens.clear()
        self._facts.clear()
        self._texts.clear()

    def token(self, token: str, now: dt.datetime) -> ValidToken | None:
        """What is remembered of a token, if it is still valid."""
        found = self._tokens.get(token)
        if found is None:
            return None
        if found.is_over(now) or found.payload.audit_ids[0] in self._revoked:
            del self._tokens[token]
            return None
        self._tokens.move_to_end(token)
        return found

    def keep_token(self, token: str, found: ValidToken, generation: int) -> None:
        """Remember a valid token that was read in this generation."""
        if generation != self.generation:
            return
        self._tokens[token] = found
        if len(self._tokens) > self._tokens_kept:
            self._tokens.popitem(last=False)

    def revoked(self, audit_id: str, expires_at: dt.datetime, now: dt.datetime) -> None:
        """Forget one token, also if it is being read at this moment."""
        for audit in [audit for audit, until in self._revoked.items() if until <= now]:
            del self._revoked[audit]
        self._revoked[audit_id] = expires_at

    def is_due(self, work: str, at: float, every_s: float) -> bool:
        """Whether this process last did the work so many seconds ago, or never; it is taken to do it now."""
        while self._done and next(iter(self._done.values())) <= at - every_s:
            self._done.popitem(last=False)
        if work in self._done:
            return False
        self._done[work] = at
        return True

    async def text(self, key: tuple[str | None, ...], make: Callable[[], Awaitable[bytes]]) -> bytes:
        """What was made for this key, once in a generation as long as it is asked for often enough."""
        found = self._texts.get(key)
        if found is None:
            generation = self.generation
            found = await make()
            if generation == self.generation:
                self._texts[key] = found
                if len(self._texts) > TEXTS_KEPT:
                    self._texts.popitem(last=False)
        else:
            self._texts.move_to_end(key)
        return found

    async def fact(self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        """The fact of that name, read once in a generation."""
        found = self._facts.get(name)
        if found is None:
            generation = self.generation
            found = await read()
            if generation == self.generation:
                self._facts[name] = found
        return cast("T", found)

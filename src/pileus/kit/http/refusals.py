"""What was refused, and why, a line each in the log: whoever is asked about a request at night finds it by its id.

Anybody may ask for what is refused, as often as he likes, so there are at most so many lines a second; how many were left out is
told with the next one.
"""

import re
import time
from collections.abc import Callable
from typing import Any

from pileus.kit.errors import Problem
from pileus.kit.http.call import Call
from pileus.kit.observe.log import MASK, log_of

log = log_of(__name__)

A_SECOND = 50.0
AT_ONCE = 200.0
_TOKEN_IN_PATH = re.compile(r"/os-console-auth-tokens/([^/]+)")


class Refusals:
    """Tells the log of refused requests."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._may = AT_ONCE
        self._at = monotonic()
        self._left_out = 0

    def tell(self, call: Call[Any], status: int, problem: Problem) -> None:
        """The log says who was refused what, and why, unless it says too much of that just now."""
        now = self._monotonic()
        self._may = min(AT_ONCE, self._may + (now - self._at) * A_SECOND)
        self._at = now
        if self._may < 1:
            self._left_out += 1
            return
        self._may -= 1
        who: dict[str, object] = (
            {"user": call.caller.user_id, "project": call.caller.project_id} if call.caller.user_id else {}
        )
        if self._left_out:
            who, self._left_out = {**who, "not_told": self._left_out}, 0
        # The query is not told: people put tokens into it. One path holds one.
        path, why = f"/{call.base.rpartition('/')[2]}{call.path}", problem.message[:500]
        for secret in _TOKEN_IN_PATH.findall(path):
            path, why = path.replace(secret, MASK), why.replace(secret, MASK)
        log.info("a request is refused", method=call.method, path=path, status=status, why=why, **who)

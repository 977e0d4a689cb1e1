"""Requests that are refused for something that will be over in a moment wait for that, and run again.

Which refusals these are, the service says (`soon_over` of its Api). A handler that was refused has done nothing, so it may
run anew, on its target as that is by then.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from pileus.kit.errors import Problem
from pileus.kit.http.call import Call
from pileus.kit.http.route import Api, Route

PATIENCE_S = 60.0  # as long as upstream's services wait for one another, and less than clients wait for an answer


async def handled(
    api: Api, call: Call[Any], route: Route, wanted: dict[str, Any], target: Callable[[], Awaitable[object]]
) -> object:
    """Return what the handler gives for what it wants; `target` loads anew what the route is about."""
    given_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await route.handler(**wanted)
        except Problem as refused:
            left_s = given_up - time.monotonic()
            if api.soon_over is None or left_s <= 0 or not await api.soon_over(call.app, refused, left_s):
                raise
        if route.target is not None:
            wanted[route.target] = await target()

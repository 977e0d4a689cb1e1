"""Hosts of others that are other names of ours: `files.customer.example CNAME container.account.storage.example`.

Such a request is as good as one to the name in our domain. Who a host is an alias of is asked of the machine's resolver, and
believed for a while.
"""

import asyncio
import ipaddress
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pileus.kit.http.call import Receive
from pileus.kit.http.send import Send
from pileus.kit.observe.log import log_of
from pileus.object_store.api.swift import SwiftApi
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.models.hosts import below, name_of

log = log_of(__name__)
KNOWN_S, UNKNOWN_S = 300.0, 60.0  # how long an answer is believed
PATIENCE_S = 5.0
MOST = 1000  # hosts that are remembered
AT_ONCE = 16

Canonical = Callable[[str], Awaitable[str | None]]  # the name that a host is an alias of, None when it is of none


async def canonical(host: str) -> str | None:
    """What the machine's resolver says."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except (OSError, TimeoutError) as failed:
        log.info("who a host is cannot be found out", host=host, why=str(failed))
        return None
    return found[0][3] if found else None


class Aliases:
    """Answers what comes to aliases of hosts in our storage domains; leaves everything else alone."""

    def __init__(self, app: ObjectStoreApp, api: SwiftApi, ask: Canonical = canonical) -> None:
        self._ask = ask
        self._api = api
        self._stamps = app.cluster.stamps
        self._domains = app.config.storage_domains
        self._own = (*self._domains, *app.config.s3_domains, "localhost")
        self._known: OrderedDict[str, tuple[float, str | None]] = OrderedDict()
        self._gate = asyncio.Semaphore(AT_ONCE)

    def claims(self, scope: Mapping[str, Any]) -> bool:
        """Whether the request's host may be an alias: it is a name, and none of ours."""
        host = _host(scope)
        return "." in host and below(host, self._own) is None and not _is_address(host)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> int | None:
        """The request is answered as one to the name in our domain; None when there is none."""
        found = await self._of(_host(scope))
        if found is None:
            return None
        headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
        return await self._api({**scope, "headers": [*headers, (b"host", found.encode())]}, receive, send)

    async def _of(self, host: str) -> str | None:
        known = self._known.get(host)
        now = self._stamps.now()
        if known is not None and now < known[0]:
            return known[1]
        async with self._gate:
            said = await self._ask(host)
        found = name_of(said) if said and below(said, self._domains) else None
        self._known[host] = (now + (KNOWN_S if found else UNKNOWN_S), found)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return found


def _host(scope: Mapping[str, Any]) -> str:
    return next((name_of(value.decode("latin-1")) for name, value in scope["headers"] if name == b"host"), "")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True

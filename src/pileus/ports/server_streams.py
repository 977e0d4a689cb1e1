"""What a server that moves while it runs needs: a connection to what waits for it on the other host.

Hosts do not talk to one another: the bytes pass the channel between each host and its controller, which joins only what its own
documents put together. A hypervisor on one machine never listens where another machine could come in.
"""

import asyncio
from typing import Protocol

# Both ends of a connection, and the first bytes that came already.
Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]


class ServerStreams(Protocol):
    """For a host: connections to where servers that leave it go."""

    async def open(self, server_id: str, name: str) -> Opened:
        """A connection to what waits for the server's `disks` or `memory`; whoever gets it closes it. Raises Unavailable."""
        ...

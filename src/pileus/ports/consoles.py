"""What compute needs of hosts besides documents: the text of a server's console, and a connection to it.

In one process these are calls of the host's hypervisor; from afar the host's channel carries them.
"""

import asyncio
from typing import Literal, Protocol

ConsoleName = Literal["vnc", "serial", "agent"]  # the last leads to QEMU's guest agent, if the guest has one


class Consoles(Protocol):
    """Consoles of servers, by host."""

    async def log(self, host: str, server_id: str, lines: int | None) -> str:
        """The end of what the server printed on its serial console; all of it that is kept if `lines` is None.

        Raises Unavailable when the host cannot tell.
        """
        ...

    async def open(
        self, host: str, server_id: str, kind: ConsoleName
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the console of a running server; raises Unavailable when there is none to be had."""
        ...

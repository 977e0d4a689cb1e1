"""What a hypervisor needs of the network: a place to plug a server's card into.

The hypervisor names a port and gets a tap device's file descriptor; which switch is behind it is the network
driver's affair. Every verb but `open_tap` ensures a state and may be repeated.
"""

from typing import Protocol

import msgspec


class PortPlug(msgspec.Struct, frozen=True):
    """A port that is to be reachable on this host, and by whom it is used."""

    port_id: str
    mac: str
    mtu: int
    server_id: str = ""


class Plug(Protocol):
    """The host's side of ports."""

    async def ensure_plugged(self, plug: PortPlug) -> None:
        """The port's tap exists here and is part of its network."""
        ...

    async def open_tap(self, port_id: str) -> int:
        """Return a new file descriptor of the port's tap; the caller closes it."""
        ...

    async def ensure_unplugged(self, port_id: str) -> None:
        """Nothing of the port is left on this host."""
        ...

"""What a hypervisor needs of the network: a place to plug a server's card into.

The hypervisor names a port and gets a tap device's file descriptor; which switch is behind it is the network
driver's affair. Every verb but `open_tap` ensures a state and may be repeated.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import msgspec


class PortPlug(msgspec.Struct, frozen=True):
    """What a host must know to plug a port."""

    id: str
    mac: str
    mtu: int = 1442
    name: str = ""


class Plug(Protocol):
    """The host's side of ports."""

    async def ensure_plugged(self, port: PortPlug) -> str:
        """The port has a tap on this host, part of its network; returns the device's name."""
        ...

    async def open_tap(self, port_id: str) -> int:
        """An open descriptor of the port's tap, for `-netdev tap,fd=N`; the caller closes it."""
        ...

    async def ensure_unplugged(self, port_id: str) -> None:
        """The port has no tap on this host."""
        ...


@runtime_checkable
class MendsTaps(Protocol):
    """A plug that sees when somebody took a tap away, and can put it back behind the descriptor that is open already."""

    def on_lost(self, lost: Callable[[str], None]) -> None:
        """From now on `lost(port_id)` is called, more than once, while a plugged port has no tap."""
        ...

    async def attach(self, port: PortPlug, tap: int) -> None:
        """The open descriptor, of a tap that is gone, is one of the plugged port's tap, and the network goes on there."""
        ...

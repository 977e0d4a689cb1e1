"""What the network service promises of addresses and networks: compute's API handed them on in its first versions.

Every verb joins the ambient transaction. A caller sees what is his project's and what is shared with it, an admin all.
Problems are the network's own errors, fit for the caller's eyes.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from pileus.kit.auth import Caller


class NetworkFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A network."""

    id: str
    name: str


class FloatingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A floating IP, and where it leads."""

    id: str
    address: str
    pool: str  # the name of the external network, its id if it has none
    project_id: str
    fixed_address: str | None = None
    server_id: str | None = None


class Addresses(Protocol):
    """Floating IPs, the fixed addresses of servers, and networks."""

    async def networks(self, caller: Caller) -> Sequence[NetworkFacts]:
        """The networks the caller sees, by name."""
        ...

    async def network(self, caller: Caller, id: str) -> NetworkFacts | None:
        """The network, if it exists and the caller sees it."""
        ...

    async def pools(self) -> Sequence[NetworkFacts]:
        """The networks that floating IPs come from, by name; the first is meant where none is named."""
        ...

    async def floating_list(self, caller: Caller) -> Sequence[FloatingFacts]:
        """The floating IPs of the caller's project."""
        ...

    async def floating(
        self, caller: Caller, *, id: str | None = None, address: str | None = None
    ) -> FloatingFacts | None:
        """The floating IP with this id or this address, if it exists and the caller sees it."""
        ...

    async def allocate(self, caller: Caller, network_id: str) -> FloatingFacts:
        """The caller's project has another floating IP of that pool."""
        ...

    async def release(self, caller: Caller, id: str) -> None:
        """The floating IP, which the caller sees, leads nowhere and is nobody's."""
        ...

    async def lead(self, caller: Caller, id: str, server_id: str | None, fixed_address: str | None) -> None:
        """The floating IP, which the caller sees, leads to that address of the server, or nowhere."""
        ...

    async def add_fixed(self, server_id: str, network_id: str) -> bool:
        """The server's card on the network has one address more; returns whether there is such a card."""
        ...

    async def remove_fixed(self, server_id: str, address: str) -> bool:
        """The server does not have the address; returns whether it had."""
        ...

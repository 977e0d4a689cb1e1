"""Forwarded ports: single TCP, UDP or SCTP ports of a floating IP that lead to ports of guests."""

from collections.abc import Mapping

import msgspec

from pileus.network.models.resources import Standard

PROTOCOLS = ("tcp", "udp", "sctp")
MOST = 1024  # the most ports in one range: each is a line in the switch


class PortForwarding(Standard, frozen=True):
    """`count` ports of a floating IP, from `outer_first` on, lead to as many of an address, from `inner_first` on."""

    floating_ip_id: str
    port_id: str
    protocol: str
    address: str
    inner_first: int
    outer_first: int
    count: int

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules may ask about: the project of the floating IP."""
        return {**super().policy_target(), "ext_parent:project_id": self.project_id}

    @property
    def inner(self) -> range:
        """The ports they lead to."""
        return range(self.inner_first, self.inner_first + self.count)

    @property
    def outer(self) -> range:
        """The ports that lead there."""
        return range(self.outer_first, self.outer_first + self.count)


class NewForwarding(msgspec.Struct, frozen=True, kw_only=True):
    """Ports to forward."""

    project_id: str
    port_id: str
    protocol: str
    inner: range
    outer: range
    address: str | None = None
    description: str = ""


def meet(one: range, other: range) -> bool:
    """Whether two ranges have a port in common."""
    return one.start < other.stop and other.start < one.stop


def spelled(ports: range) -> str:
    """A range as the API writes it."""
    return f"{ports.start}:{ports.stop - 1}"

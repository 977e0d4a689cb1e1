"""A second machine for a cloud that is judged: a network namespace of this one, with a cable to it.

    here  10.198.x.y/30 on plc-<process>  ===  eth0 in the namespace plc-<process>  there

Two hosts with real networks on one machine need two of whatever there is only one of: Open vSwitch's devices, above all.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator

import msgspec

from pileus.main import packages

NEEDED = (packages.Program("iproute2", "ip"), packages.Program("ethtool", "ethtool"))
FAR_END = "eth0"


class Cable(msgspec.Struct, frozen=True):
    """The address at this end, and what a command is put behind to be run at the other."""

    here: str
    there: str
    name: str

    @property
    def within(self) -> tuple[str, ...]:
        """What runs a command on the second machine."""
        return ("nsenter", f"--net=/run/netns/{self.name}")


@contextlib.contextmanager
def cable() -> Iterator[Cable]:
    """Both ends can talk to one another while the block lasts; nothing is left of it afterwards."""
    pid = os.getpid()
    block = f"10.198.{pid // 64 % 256}"
    laid = Cable(f"{block}.{pid % 64 * 4 + 1}", f"{block}.{pid % 64 * 4 + 2}", f"plc-{pid % 65536:04x}")
    try:
        _lay(laid)
        yield laid
    finally:
        for what in (("link", "delete", laid.name), ("netns", "delete", laid.name)):
            subprocess.run(["ip", *what], check=False, capture_output=True)


def _lay(laid: Cable) -> None:
    for command in (
        ("netns", "add", laid.name),
        ("link", "add", laid.name, "type", "veth", "peer", "name", FAR_END, "netns", laid.name),
        ("address", "add", f"{laid.here}/30", "dev", laid.name),
        ("-n", laid.name, "address", "add", f"{laid.there}/30", "dev", FAR_END),
        ("-n", laid.name, "link", "set", "lo", "up"),
        ("-n", laid.name, "link", "set", FAR_END, "up"),
        ("link", "set", laid.name, "up"),
    ):
        subprocess.run(["ip", *command], check=True, capture_output=True)
    # Where Open vSwitch switches in userspace, sums that are left to a card that is none are never made.
    for argv in (["ethtool", "-K", laid.name, "tx", "off"], [*laid.within, "ethtool", "-K", FAR_END, "tx", "off"]):
        subprocess.run(argv, check=True, capture_output=True)

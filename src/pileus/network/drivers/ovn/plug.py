"""TAPs on the integration bridge: the host's ends of ports.

A TAP is persistent and stays in the cloud's namespace, next to the switch; a QEMU outside is given an open descriptor of
it. OVN finds it by `iface-id`. Nothing is remembered here: what is plugged is read from the switch and the kernel.
"""

import fcntl
import json
import os
import socket
import struct
from collections.abc import Callable

from pileus.kit.flow.failpoint import failpoint
from pileus.kit.run import ProgramFailed, run
from pileus.network.drivers.interface import DriverError, PortPlug
from pileus.network.drivers.ovn import namespace
from pileus.network.drivers.ovn.daemons import Daemons
from pileus.network.drivers.ovn.place import INTEGRATION_BRIDGE, Place

_TUNSETIFF = 0x400454CA
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000


def device(port_id: str) -> str:
    """Name of a port's TAP."""
    return f"tap{port_id[:11]}"


class OvnPlug:
    """A `Plug` on this host's Open vSwitch."""

    def __init__(self, place: Place, daemons: Daemons) -> None:
        self._place = place
        self._daemons = daemons
        self._listeners: list[Callable[[str], None]] = []

    def on_lost(self, lost: Callable[[str], None]) -> None:
        """From now on `lost(port_id)` is called while a port that is on the switch has no TAP in the kernel."""
        self._listeners.append(lost)

    def tell_lost(self, port_id: str) -> None:
        """Whoever listens knows that the port has no TAP."""
        for lost in self._listeners:
            lost(port_id)

    async def attach(self, port: PortPlug, tap: int) -> None:
        """The open descriptor, of a TAP that is gone, is one of the plugged port's TAP, and the switch sees the new one."""
        name = device(port.id)
        try:
            _tie(tap, name)
        except OSError as failed:
            raise DriverError(f"open {name} again", failed.strerror or str(failed)) from failed
        # By its name alone the switch takes the new TAP for the one it had, and goes on listening to that.
        await self._daemons.vsctl("--if-exists", "del-port", INTEGRATION_BRIDGE, name)
        await self._switch(name, port.id, port.mac)

    async def ensure_plugged(self, port: PortPlug) -> str:
        """The port's TAP is up and on the integration bridge."""
        name, space = device(port.id), self._place.namespace
        try:
            if (await run(["ip", "-n", space, "link", "show", name], check=False)).code != 0:
                await run(["ip", "-n", space, "tuntap", "add", "dev", name, "mode", "tap"])
            await run(["ip", "-n", space, "link", "set", name, "mtu", str(port.mtu), "up"])
            # The kernel remembers whose it is, for the day the switch's database is lost.
            await run(["ip", "-n", space, "link", "set", name, "alias", f"{port.id} {port.mac}"])
        except ProgramFailed as failed:
            raise DriverError(f"plug port {port.id}", str(failed)) from failed
        failpoint("tap.plug", "made")
        await self._switch(name, port.id, port.mac)
        failpoint("tap.plug", "switched")
        return name

    async def ensure_unplugged(self, port_id: str) -> None:
        """The port has no TAP."""
        name, space = device(port_id), self._place.namespace
        await self._daemons.vsctl("--if-exists", "del-port", INTEGRATION_BRIDGE, name)
        failpoint("tap.unplug", "switched")
        if (await run(["ip", "-n", space, "link", "show", name], check=False)).code == 0:
            try:
                # Not `tuntap del`: that one is refused while a QEMU still holds the TAP.
                await run(["ip", "-n", space, "link", "delete", name])
            except ProgramFailed as failed:
                raise DriverError(f"unplug port {port_id}", str(failed)) from failed
        failpoint("tap.unplug", "gone")

    async def restore(self) -> set[str]:
        """Every TAP is on the switch again, by what the kernel remembers; returns the ids of those that were not."""
        plugged = await self.plugged()
        restored: set[str] = set()
        for link in await self._links():
            port_id, _, mac = link.get("ifalias", "").partition(" ")
            if mac and link["ifname"] == device(port_id) and port_id not in plugged:
                await self._switch(link["ifname"], port_id, mac)
                restored.add(port_id)
        return restored

    async def _switch(self, name: str, port_id: str, mac: str) -> None:
        await self._daemons.vsctl(
            "--may-exist", "add-port", INTEGRATION_BRIDGE, name,
            "--", "set", "Interface", name, f"external_ids:iface-id={port_id}", f'external_ids:attached-mac="{mac}"',
        )  # fmt: skip

    async def _links(self) -> list[dict[str, str]]:
        links: list[dict[str, str]] = json.loads(
            (await run(["ip", "-json", "-n", self._place.namespace, "link", "show"])).out
        )
        return links

    async def plugged(self) -> set[str]:
        """Ids of the ports whose TAP is there, on the switch as in the kernel."""
        listed = await self._daemons.vsctl("--format=json", "--columns=name,external_ids", "list", "Interface")
        there = {link["ifname"] for link in await self._links()}
        found: set[str] = set()
        for name, (_, marks) in json.loads(listed)["data"]:
            port_id = dict(marks).get("iface-id")
            if port_id is not None and name == device(port_id) and name in there:
                found.add(port_id)
        return found

    async def open_tap(self, port_id: str) -> int:
        """An open descriptor of the port's TAP; the caller closes it."""
        name = device(port_id)
        try:
            return await namespace.within(self._place.namespace, lambda: _open_tap(name))
        except OSError as failed:
            raise DriverError(f"open {name}", failed.strerror or str(failed)) from failed


def _tie(tap: int, name: str) -> None:
    # Without vnet_hdr: the userspace switch does not finish checksums, so guests must.
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))


def _open_tap(name: str) -> int:
    socket.if_nametoindex(name)  # TUNSETIFF would make a missing device, one that nobody has plugged.
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _tie(tap, name)
    except OSError:
        os.close(tap)
        raise
    return tap

"""169.254.169.254 in each network: a namespace, a veth to the integration bridge, and a listening socket.

OVN's local port delivers what guests of a network send to that address to the namespace on their own host, so networks
with the same addresses do not meet. The sockets are served by this process's event loop; namespaces and veths outlive it.
"""

import json
import logging
import socket

from pileus.kit.run import ProgramFailed, run
from pileus.network.drivers.interface import METADATA_IP, DriverError, MetadataAnswers, MetadataDoor
from pileus.network.drivers.metadata_http import MetadataServer
from pileus.network.drivers.ovn import namespace
from pileus.network.drivers.ovn.daemons import Daemons
from pileus.network.drivers.ovn.place import INTEGRATION_BRIDGE, Place

log = logging.getLogger(__name__)

_INSIDE = "eth0"
_PORT = 80


def device(network_id: str) -> str:
    """Name of the switch's end of a network's veth."""
    return f"md{network_id[:13]}"


class OvnMetadataDoors:
    """`MetadataDoors` on this host's Open vSwitch."""

    def __init__(self, place: Place, daemons: Daemons, answers: MetadataAnswers) -> None:
        self._place = place
        self._daemons = daemons
        self._answers = answers
        self._open: dict[str, tuple[MetadataDoor, MetadataServer]] = {}

    async def ensure(self, door: MetadataDoor) -> None:
        """Guests of the network are answered."""
        opened = self._open.get(door.network)
        try:
            # One whose name was taken away goes on with the socket in it, and ends with that.
            named = namespace.exists(self._place.metadata_namespace(door.network))
            if opened is None or opened[0] != door or not named or device(door.network) not in await self._whole():
                await self._make(door)
        except (ProgramFailed, OSError) as failed:
            raise DriverError(f"answer for metadata in network {door.network}", str(failed)) from failed

    async def ensure_gone(self, network_id: str) -> None:
        """Nobody answers in the network, and its namespace is gone."""
        await self._shut(network_id)
        await self._daemons.vsctl("--if-exists", "del-port", INTEGRATION_BRIDGE, device(network_id))
        space = self._place.metadata_namespace(network_id)
        try:
            if namespace.exists(space):
                await remove_namespace(space)
        except ProgramFailed as failed:
            raise DriverError(f"close metadata in network {network_id}", str(failed)) from failed

    async def there(self) -> set[str]:
        """Ids of the networks that have a namespace for metadata."""
        prefix = self._place.metadata_namespace()
        return {name.removeprefix(prefix) for name in namespace.named(prefix)}

    async def close(self) -> None:
        """Nothing listens; namespaces and veths stay."""
        for network_id in list(self._open):
            await self._shut(network_id)

    async def _whole(self) -> set[str]:
        """Devices that are in the kernel and on the switch."""
        links = json.loads((await run(["ip", "-json", "-n", self._place.namespace, "link", "show"])).out)
        on_switch = (await self._daemons.vsctl("list-ports", INTEGRATION_BRIDGE)).split()
        return {link["ifname"] for link in links} & set(on_switch)

    async def _make(self, door: MetadataDoor) -> None:
        await self._shut(door.network)
        space, outside = self._place.metadata_namespace(door.network), device(door.network)
        if not namespace.exists(space):
            await run(["ip", "netns", "add", space])
        if await self._ensure_pair(space, outside):
            # Of a device that has come anew under its name the switch would go on reading the former one.
            await self._daemons.vsctl("--if-exists", "del-port", INTEGRATION_BRIDGE, outside)
        await run(["ip", "-n", space, "-batch", "-"], stdin="\n".join((*_configuration(door), "")).encode())
        await run(["nsenter", f"--net={namespace.NAMESPACES / space}", "ethtool", "-K", _INSIDE, "tx", "off"])
        await run(["ip", "-n", self._place.namespace, "link", "set", outside, "mtu", str(door.mtu), "up"])
        await self._daemons.vsctl(
            "--may-exist", "add-port", INTEGRATION_BRIDGE, outside,
            "--", "set", "Interface", outside, f"external_ids:iface-id={door.port}",
        )  # fmt: skip
        server = MetadataServer(door.network, self._answers)
        await server.start(await namespace.within(space, _listening))
        self._open[door.network] = (door, server)
        log.info("metadata door open", extra={"network": door.network})

    async def _ensure_pair(self, space: str, outside: str) -> bool:
        """The veth is there; whether it was made just now."""
        there = (await run(["ip", "-n", space, "link", "show", _INSIDE], check=False)).code == 0
        ours = (await run(["ip", "-n", self._place.namespace, "link", "show", outside], check=False)).code == 0
        if there and ours:
            return False
        if there:
            await run(["ip", "-n", space, "link", "delete", _INSIDE])
        if ours:
            await run(["ip", "-n", self._place.namespace, "link", "delete", outside])
        await run(
            ["ip", "-n", self._place.namespace, "link", "add", outside, "type", "veth",
             "peer", "name", _INSIDE, "netns", space]
        )  # fmt: skip
        return True

    async def _shut(self, network_id: str) -> None:
        opened = self._open.pop(network_id, None)
        if opened is not None:
            await opened[1].close()


async def remove_namespace(space: str) -> None:
    """The namespace is gone, and its veth with it, even while a socket in it is still open."""
    await run(["ip", "-n", space, "link", "delete", _INSIDE], check=False)
    await run(["ip", "netns", "delete", space])


def _configuration(door: MetadataDoor) -> list[str]:
    """Lines for `ip -batch` in the namespace."""
    lines = [
        "link set lo up",
        f"link set {_INSIDE} address {door.mac} mtu {door.mtu} up",
        f"address replace {METADATA_IP}/32 dev {_INSIDE}",
    ]
    lines += [f"address replace {address} dev {_INSIDE}" for address in door.addresses]
    lines += [f"route replace {cidr} dev {_INSIDE} scope link src {METADATA_IP}" for cidr in door.cidrs]
    return lines


def _listening() -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((METADATA_IP, _PORT))
        listening.listen(16)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening

"""The storage server that is this process."""

from pileus.object_store.disk.layout import Layout
from pileus.object_store.models.stamps import Stamps
from pileus.object_store.ring.rings import Rings
from pileus.object_store.storage.devices import Devices
from pileus.object_store.storage.interface import Servers
from pileus.object_store.storage.local_ledgers import LocalAccounts, LocalContainers
from pileus.object_store.storage.local_objects import LocalObjects
from pileus.object_store.storage.local_replicas import LocalReplicas


class LocalServer:
    """Object, container and account servers over the devices of this process."""

    def __init__(
        self, devices: Devices, rings: Rings, stamps: Stamps, *, own: str | None = "", listing_wait_s: float = 1.0
    ) -> None:
        self.own = own  # this machine's name in rings; None if it gives no devices
        self.rings = rings
        self.devices = devices
        for device in devices:
            device.layout = self._layout
        self.objects = LocalObjects(devices, rings, listing_wait_s)
        self.containers = LocalContainers(devices, rings, stamps)
        self.accounts = LocalAccounts(devices, rings, self.containers.reports.settle)
        self.replicas = LocalReplicas(devices, rings, self.containers.divided)

    def reach(self, servers: Servers) -> None:
        """From now on the servers of this process find the others."""
        self.objects.servers = servers
        self.containers.divided.servers = servers
        self.containers.reports.servers = servers

    def _layout(self, policy: int) -> Layout:
        ring = self.rings.objects.get(policy)
        return Layout(ring.part_power, ring.next_part_power) if ring is not None and ring.devices else Layout()

    async def close(self) -> None:
        """Nothing is under way, and nothing is open."""
        await self.objects.close()
        await self.containers.close()
        await self.accounts.close()
        self.devices.close()

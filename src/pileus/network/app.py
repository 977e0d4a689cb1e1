"""The network service's collaborators, built once and passed everywhere."""

import msgspec

from pileus.kit.bus import Bus
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.hosts.control import Hosts
from pileus.kit.observe.events import Events
from pileus.network.config import NetworkConfig
from pileus.network.drivers.interface import Fabric

FABRIC = "network.fabric"  # topic: the fabric is to be looked at again
PORT_STATES = "network.port_states"  # topic: the fabric told how ports fare


class Network(msgspec.Struct, frozen=True):
    """The network service."""

    db: Database
    clock: Clock
    bus: Bus
    hosts: Hosts
    events: Events
    fabric: Fabric
    config: NetworkConfig

    def changed(self) -> None:
        """The fabric is made as the tables say, soon after the current transaction is durable."""
        self.db.on_commit(lambda: self.bus.wake(FABRIC, "all"))

"""What compute works with."""

import msgspec

from pileus.compute.config import ComputeConfig
from pileus.kit.bus import Bus
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.flow.engine import Engine
from pileus.kit.hosts.control import Hosts
from pileus.kit.observe.events import Events
from pileus.ports.block_storage import Volumes
from pileus.ports.consoles import Consoles
from pileus.ports.identity import Directory
from pileus.ports.image import Images
from pileus.ports.network import Networks
from pileus.ports.placement import Placement
from pileus.ports.server_files import FilesAtHand
from pileus.ports.vault import Vault


class Compute(msgspec.Struct, frozen=True, kw_only=True):
    """Compute's collaborators; made once."""

    db: Database
    clock: Clock
    bus: Bus
    engine: Engine
    hosts: Hosts
    events: Events
    placement: Placement
    images: Images
    networks: Networks
    identity: Directory
    consoles: Consoles
    files: FilesAtHand
    volumes: Volumes | None  # None where there is no block storage
    vault: Vault
    config: ComputeConfig

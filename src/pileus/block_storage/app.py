"""What block storage works with."""

import msgspec

from pileus.block_storage.config import BlockStorageConfig
from pileus.kit.bus import Bus
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.flow.engine import Engine
from pileus.kit.hosts.control import Hosts
from pileus.kit.observe.events import Events
from pileus.ports.identity import Directory
from pileus.ports.image import Images
from pileus.ports.servers import VolumeHolders
from pileus.ports.vault import Vault
from pileus.ports.volume_files import VolumesAtHand


class BlockStorage(msgspec.Struct, frozen=True, kw_only=True):
    """Block storage's collaborators; made once."""

    db: Database
    clock: Clock
    bus: Bus
    engine: Engine
    hosts: Hosts
    events: Events
    vault: Vault | None  # None where nothing can be kept secret: no encrypted volumes then
    files: VolumesAtHand | None  # None where every host's files are at hand
    images: Images | None  # None where there is no image service
    identity: Directory
    servers: VolumeHolders | None = None  # None where there is no compute: nobody knows better who has a volume
    config: BlockStorageConfig

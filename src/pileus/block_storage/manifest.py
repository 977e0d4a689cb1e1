"""What main mounts of block storage."""

from collections.abc import Mapping, Sequence
from functools import partial

from pileus.block_storage.api import (
    attachments,
    backups,
    consistency_groups,
    default_types,
    discovery,
    group_types,
    groups,
    manageable,
    messages,
    metadata,
    qos,
    quotas,
    services,
    snapshots,
    transfers,
    types,
    versions,
    volume_actions,
    volumes,
)
from pileus.block_storage.api.service import api
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands.groups import ensure_default_group_type
from pileus.block_storage.commands.schedules import EVERY_S as SCHEDULES_EVERY_S
from pileus.block_storage.commands.schedules import keep_schedules
from pileus.block_storage.commands.types import ensure_default
from pileus.block_storage.config import BlockStorageConfig
from pileus.block_storage.flows import lost
from pileus.block_storage.flows.change import EXTEND, REMAKE, UPLOAD
from pileus.block_storage.flows.copies import BACKUP, SNAPSHOT
from pileus.block_storage.flows.create import CREATE
from pileus.block_storage.flows.delete import BACKUP_DELETE, DELETE, SNAPSHOT_DELETE
from pileus.block_storage.flows.groups import GROUP_CREATE, GROUP_DELETE, GROUP_SNAPSHOT, GROUP_SNAPSHOT_DELETE
from pileus.block_storage.flows.manage import MANAGE, SNAPSHOT_MANAGE
from pileus.block_storage.flows.move import MOVE
from pileus.block_storage.flows.sweep import EVERY_S, sweep
from pileus.block_storage.port import VolumePort
from pileus.block_storage.store.backups import backups as backup_rows
from pileus.block_storage.store.groups import group_snapshots as group_snapshot_rows
from pileus.block_storage.store.groups import groups as group_rows
from pileus.block_storage.store.volumes import snapshots as snapshot_rows
from pileus.block_storage.store.volumes import volumes as volume_rows
from pileus.block_storage.tables import BLOCK_STORAGE
from pileus.kit.bus import Bus
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.retention import Living
from pileus.kit.flow.standing import Standing
from pileus.kit.hosts.control import Hosts
from pileus.kit.observe.events import Events
from pileus.ports.identity import Directory
from pileus.ports.image import Images
from pileus.ports.servers import VolumeHolders
from pileus.ports.vault import Vault
from pileus.ports.volume_files import VolumesAtHand

NAME = "block_storage"
MOUNT = "volume"
API = api
METADATA = BLOCK_STORAGE
MIGRATIONS = "pileus.block_storage.migrations"
FLOWS = (
    CREATE,
    DELETE,
    EXTEND,
    REMAKE,
    MOVE,
    UPLOAD,
    MANAGE,
    SNAPSHOT,
    SNAPSHOT_MANAGE,
    SNAPSHOT_DELETE,
    BACKUP,
    BACKUP_DELETE,
    GROUP_CREATE,
    GROUP_DELETE,
    GROUP_SNAPSHOT,
    GROUP_SNAPSHOT_DELETE,
)
CATALOG = ("block-storage", "cinder", "OpenStack Block Storage", "/v3")
ALIASES = (("volumev3", "cinderv3"),)  # what older clients look it up by
RESOURCES = (
    versions,
    volumes,
    volume_actions,
    attachments,
    snapshots,
    metadata,
    backups,
    groups,
    group_types,
    consistency_groups,
    discovery,
    manageable,
    transfers,
    types,
    qos,
    default_types,
    quotas,
    services,
    messages,
)

__all__ = [
    "ALIASES",
    "API",
    "CATALOG",
    "FLOWS",
    "METADATA",
    "MIGRATIONS",
    "MOUNT",
    "NAME",
    "RESOURCES",
    "BlockStorageConfig",
    "build",
    "living",
    "port",
    "prepare",
    "standing",
]


def build(
    db: Database,
    clock: Clock,
    bus: Bus,
    engine: Engine,
    hosts: Hosts,
    events: Events,
    *,
    images: Images | None,
    identity: Directory,
    vault: Vault | None = None,
    servers: VolumeHolders | None = None,
    files: VolumesAtHand | None = None,
    config: BlockStorageConfig | None = None,
) -> BlockStorage:
    """Block storage, ready to be asked. Who builds it adds its flows to the engine, and lets reports wake their subjects."""
    return BlockStorage(
        db=db,
        clock=clock,
        bus=bus,
        engine=engine,
        hosts=hosts,
        events=events,
        images=images,
        identity=identity,
        vault=vault,
        servers=servers,
        files=files,
        config=config or BlockStorageConfig(),
    )


async def prepare(app: BlockStorage) -> None:
    """What every cloud has is there: a default volume type, and a type of groups for clients that know no types of groups."""
    await ensure_default(app)
    await ensure_default_group_type(app)


def port(app: BlockStorage) -> VolumePort:
    """What others get of it: keeps pileus.ports.block_storage.Volumes."""
    return VolumePort(app)


def standing(app: BlockStorage) -> Sequence[Standing]:
    """What it does for ever."""
    return (
        Standing("old volume messages", EVERY_S, partial(sweep, app)),
        lost.standing(app),
        Standing("backups that are due", SCHEDULES_EVERY_S, partial(keep_schedules, app)),
    )


def living(app: BlockStorage) -> Mapping[str, Living]:
    """Which of its things are still there: what was done with them is told as long."""
    return {
        "volume": partial(volume_rows.there, app),
        "volume_snapshot": partial(snapshot_rows.there, app),
        "volume_backup": partial(backup_rows.there, app),
        "volume_group": partial(group_rows.there, app),
        "volume_group_snapshot": partial(group_snapshot_rows.there, app),
    }

"""What main mounts of compute."""

from collections.abc import Mapping, Sequence
from functools import partial

from pileus.compute.api import (
    absent,
    actions,
    aggregates,
    assisted_snapshots,
    audit_log,
    consoles,
    diagnostics,
    extensions,
    external_events,
    flavor_extras,
    flavors,
    group_actions,
    history,
    host_views,
    hosts,
    hypervisors,
    image_actions,
    images,
    keypairs,
    migrations,
    move_actions,
    old_addresses,
    old_volumes,
    password_action,
    quotas,
    remake_actions,
    removed,
    security_groups,
    server_groups,
    server_metadata,
    server_password,
    server_ports,
    server_volumes,
    servers,
    shelve_actions,
    usage,
    versions,
    volumes_boot,
)
from pileus.compute.api.console_socket import console_socket
from pileus.compute.api.service import api
from pileus.compute.app import Compute
from pileus.compute.commands import drains
from pileus.compute.config import ComputeConfig
from pileus.compute.flows import disk_errors, passwords, power
from pileus.compute.flows import hosts as host_flow
from pileus.compute.flows.backup import CREATE_BACKUP
from pileus.compute.flows.boot import BOOT
from pileus.compute.flows.cards import ATTACH, DETACH
from pileus.compute.flows.delete import DELETE
from pileus.compute.flows.disk_errors import DISK_FAILED
from pileus.compute.flows.evacuate import EVACUATE
from pileus.compute.flows.live import LIVE_MIGRATE
from pileus.compute.flows.prefetch import PREFETCH
from pileus.compute.flows.rebuild_volume import REBUILD_VOLUME
from pileus.compute.flows.remake import REBUILD, RESCUE, UNRESCUE
from pileus.compute.flows.resize import CONFIRM, MIGRATE, RESIZE, REVERT
from pileus.compute.flows.shelve import SHELVE, SHELVE_VOLUME, UNSHELVE
from pileus.compute.flows.snapshot import CREATE_IMAGE
from pileus.compute.flows.turn import TURNS
from pileus.compute.flows.volume_changes import EXTEND_VOLUME, SWAP_VOLUME
from pileus.compute.flows.volume_snapshot import SNAPSHOT_VOLUMES
from pileus.compute.flows.volumes import ATTACH_VOLUME, DETACH_VOLUME
from pileus.compute.port import GuestAnswers, Holders, PasswordsOfServers
from pileus.compute.store.servers import servers_living
from pileus.compute.tables import COMPUTE
from pileus.kit.bus import Bus
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.retention import Living
from pileus.kit.flow.standing import Standing
from pileus.kit.hosts.control import Hosts
from pileus.kit.observe.events import Events
from pileus.ports.block_storage import Volumes
from pileus.ports.consoles import Consoles
from pileus.ports.given_passwords import GivenPasswords
from pileus.ports.identity import Directory
from pileus.ports.image import Images
from pileus.ports.metadata import MetadataAnswers
from pileus.ports.network import Networks
from pileus.ports.placement import Placement
from pileus.ports.server_files import FilesAtHand
from pileus.ports.servers import VolumeHolders
from pileus.ports.vault import Vault

NAME = "compute"
MOUNT = "compute"
API = api
METADATA = COMPUTE
MIGRATIONS = "pileus.compute.migrations"
FLOWS = (
    BOOT,
    DELETE,
    *TURNS,
    CREATE_IMAGE,
    CREATE_BACKUP,
    REBUILD,
    REBUILD_VOLUME,
    RESCUE,
    UNRESCUE,
    RESIZE,
    CONFIRM,
    REVERT,
    SHELVE,
    SHELVE_VOLUME,
    UNSHELVE,
    ATTACH,
    DETACH,
    ATTACH_VOLUME,
    DETACH_VOLUME,
    EXTEND_VOLUME,
    SWAP_VOLUME,
    SNAPSHOT_VOLUMES,
    EVACUATE,
    LIVE_MIGRATE,
    MIGRATE,
    PREFETCH,
    DISK_FAILED,
)
CATALOG = ("compute", "nova", "Compute", "/v2.1")
__all__ = [
    "API",
    "CATALOG",
    "FLOWS",
    "METADATA",
    "MIGRATIONS",
    "MOUNT",
    "NAME",
    "build",
    "console_socket",
    "holders",
    "metadata_answers",
    "standing",
]
RESOURCES = (
    versions,
    extensions,
    absent,
    flavors,
    flavor_extras,
    keypairs,
    servers,
    server_metadata,
    server_password,
    server_ports,
    server_volumes,
    security_groups,
    old_addresses,
    old_volumes,
    images,
    actions,
    image_actions,
    group_actions,
    remake_actions,
    shelve_actions,
    consoles,
    history,
    migrations,
    move_actions,
    password_action,
    hosts,
    host_views,
    hypervisors,
    aggregates,
    server_groups,
    quotas,
    usage,
    external_events,
    diagnostics,
    audit_log,
    assisted_snapshots,
    removed,
    volumes_boot,
)


def build(
    db: Database,
    clock: Clock,
    bus: Bus,
    engine: Engine,
    hosts: Hosts,
    events: Events,
    *,
    placement: Placement,
    images: Images,
    networks: Networks,
    identity: Directory,
    consoles: Consoles,
    files: FilesAtHand,
    vault: Vault,
    volumes: Volumes | None = None,
    config: ComputeConfig | None = None,
) -> Compute:
    """Compute, ready to be asked. Who builds it adds its flows to the engine, and lets reports wake their subjects."""
    return Compute(
        db=db,
        clock=clock,
        bus=bus,
        engine=engine,
        hosts=hosts,
        events=events,
        placement=placement,
        images=images,
        networks=networks,
        identity=identity,
        consoles=consoles,
        files=files,
        volumes=volumes,
        vault=vault,
        config=config or ComputeConfig(),
    )


def standing(app: Compute) -> Sequence[Standing]:
    """What compares wanted and seen for ever."""
    followers = (power.standing(app), disk_errors.standing(app))
    return (host_flow.standing(app), *followers, passwords.standing(app), drains.standing(app))


def living(app: Compute) -> Mapping[str, Living]:
    """Which servers are still there: the history of their actions stays as long."""
    return {"server": partial(servers_living, app)}


def holders(app: Compute) -> VolumeHolders:
    """Which server has which volume; keeps pileus.ports.servers.VolumeHolders."""
    return Holders(app)


def given_passwords(app: Compute) -> GivenPasswords:
    """What servers are told on their config drives; keeps pileus.ports.given_passwords.GivenPasswords."""
    return PasswordsOfServers(app)


def metadata_answers(app: Compute) -> MetadataAnswers:
    """What guests are told about themselves; keeps pileus.ports.metadata.MetadataAnswers."""
    return GuestAnswers(app)

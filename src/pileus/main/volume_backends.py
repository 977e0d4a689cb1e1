"""What keeps volumes on this machine, as the options say: each back end by its name, knowing its neighbours."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from pileus.block_storage.agent import meet
from pileus.block_storage.agent.links import DOOR, LINK, Doors, Links, Listening, able
from pileus.block_storage.drivers.backup_chunks import Chunks
from pileus.block_storage.drivers.interface import Backend, CopiesAttached
from pileus.compute.drivers.interface import CopiesVolumes, Hypervisor
from pileus.kit.hosts.agent import Handler
from pileus.kit.hosts.exchange import Body
from pileus.main.backup_stores import chunks_of
from pileus.main.settings import Settings, VolumeBackend, VolumeDriver
from pileus.main.state import State
from pileus.ports.image_files import ImageFiles
from pileus.ports.volume_files import VolumeFiles
from pileus.ports.volume_keys import LinkKeys, VolumeKeys


class VolumeWays(msgspec.Struct, frozen=True):
    """What does as wanted for volumes that are used on another host than theirs, and what this host can do of that."""

    handlers: dict[str, Handler]
    facts: Body


def volume_backends(
    state: State, settings: Settings, images: ImageFiles, host: str, *, far: VolumeFiles, keys: VolumeKeys | None,
    objects: Chunks,
) -> dict[str, Backend]:  # fmt: skip
    """The back ends of this machine, none where volumes are left out; how it gets at disks of others, keys and object storage."""
    if "block_storage" not in settings.services:
        return {}
    usual: VolumeDriver = settings.volume_driver or ("fake" if settings.compute_driver == "fake" else "file")
    wanted = settings.volume_backends or {usual: VolumeBackend()}
    stores = (images, chunks_of(settings.volume_backups, objects))
    found = {name: _backend(name, each.driver or usual, each, state, stores, host) for name, each in wanted.items()}
    meet(found, far, keys)
    return found


def copy_attached(backends: Mapping[str, Backend], runs: Hypervisor) -> None:
    """From now on what servers of this machine have is copied by who runs them, where a back end cannot do that itself."""
    for backend in backends.values():
        if isinstance(backend, CopiesAttached) and isinstance(runs, CopiesVolumes):
            backend.copy_attached(runs.attached)


def volume_ways(
    state: State, settings: Settings, host: str, backends: Mapping[str, Backend], keys: LinkKeys | None
) -> VolumeWays:
    """How this host serves volumes to others, and reaches those of others."""
    said = settings.volume_serving
    listening = Listening(said.address, said.first_port, said.last_port)
    doors = Doors(state / "volumes" / "doors", listening, backends, keys)
    return VolumeWays({DOOR: doors, LINK: Links(host, state / "volumes" / "links", keys)}, able(listening))


def _backend(
    name: str,
    driver: VolumeDriver,
    wanted: VolumeBackend,
    state: State,
    stores: tuple[ImageFiles, Chunks | None],
    host: str,
) -> Backend:
    own = state / "volumes" if name == "file" else state / "volumes" / "backends" / name
    folder = Path(wanted.path) if wanted.path else own
    match driver:
        case "fake":
            from pileus.block_storage.drivers.fake import Fake

            return Fake(name, believes=True)
        case "file":
            from pileus.block_storage.drivers.file import FileBackend

            return FileBackend(name, folder, *stores, format=wanted.format)
        case "shared":
            from pileus.block_storage.drivers.shared import SharedBackend

            return SharedBackend(name, folder, host, *stores, format=wanted.format)
        case "lvm":
            from pileus.block_storage.drivers.lvm import Group, LvmBackend

            return LvmBackend(name, Group(name=wanted.group, pool=wanted.thin_pool), own, *stores)
        case "rbd":
            from pileus.block_storage.drivers.rbd import RbdBackend
            from pileus.block_storage.drivers.rbd_commands import Cluster

            cluster = Cluster(pool=wanted.pool, conf=wanted.conf, user=wanted.user)
            return RbdBackend(name, cluster, host, own, *stores)

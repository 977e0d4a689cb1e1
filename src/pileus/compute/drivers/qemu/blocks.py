"""Volumes as QEMU knows them: the nodes that reach a volume's bytes, and the disk a guest has of it. Pure functions.

    /dev/fdset/<number> -> volume<slot>-file [-> volume<slot>-qcow2] -> volume<slot> [-> volume<slot>-limited] -> the disk `volume<slot>`

QEMU may not open a volume's file, which is nobody's server's own: it is handed the open file. The slot on the bus tells which
place a disk has, so a guest that is started anew finds its disks in the same order. A volume that takes another's place under a
guest that runs stands on the slot's other nodes, `other<slot>`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from pileus.compute.drivers.interface import ImageFormat, Volume, Wanted

DISKS_SLOT = 11
SERIAL = 20  # as much of a disk's serial number as a guest is shown
OTHER = 100  # more than there are slots
# What QEMU calls the limits.
LIMITS = {
    "total_bytes": "bps-total",
    "read_bytes": "bps-read",
    "write_bytes": "bps-write",
    "total_iops": "iops-total",
    "read_iops": "iops-read",
    "write_iops": "iops-write",
}
LUKS, CEPH = "luks", "ceph"  # what secrets are for
Options = dict[str, Any]


class Chain(msgspec.Struct, frozen=True):
    """What the nodes of one volume are called, from the file up to what the disk stands on."""

    slot: int
    other: bool = False

    @property
    def name(self) -> str:
        """The node that holds what the guest sees: raw, or opened by the volume's key."""
        return f"{'other' if self.other else 'volume'}{self.slot}"

    @property
    def number(self) -> int:
        """Under which QEMU has the volume's open file."""
        return self.slot + (OTHER if self.other else 0)

    @property
    def limits(self) -> str:
        """What limits it."""
        return f"limits{self.number}"

    @property
    def names(self) -> tuple[str, ...]:
        """Every node there may be, the uppermost first."""
        return (f"{self.name}-limited", self.name, f"{self.name}-qcow2", f"{self.name}-file")

    def bytes_(self, volume: Volume) -> str:
        """The node that holds the volume's bytes, encrypted if they are."""
        return f"{self.name}-{'qcow2' if volume.format is ImageFormat.QCOW2 else 'file'}"

    def secret(self, what: str) -> str:
        """What opens it: the key of its encryption, or of its cluster."""
        return f"{what}{self.number}"

    def top(self, volume: Volume) -> str:
        """What the disk stands on."""
        return self.names[0] if volume.limits else self.name


def slots(server: Wanted, volumes: Sequence[Volume] | None = None) -> dict[str, int]:
    """The slot of each volume's disk; while a server is rescued, the disk it is rescued with comes first."""
    first = DISKS_SLOT + (1 if server.rescue is not None else 0)
    return {volume.key: first + volume.place for volume in (server.volumes if volumes is None else volumes)}


def disk(slot: int) -> str:
    """The name of the guest's disk in that slot."""
    return f"volume{slot}"


def limits(volume: Volume, chain: Chain) -> Options | None:
    """The object that holds what is let through, if there is any limit."""
    if not volume.limits:
        return None
    known = {LIMITS[name]: value for name, value in volume.limits.items() if name in LIMITS}
    return {"qom-type": "throttle-group", "id": chain.limits, "limits": known}


def secrets(volume: Volume) -> tuple[str, ...]:
    """What has to be known to open it."""
    return (*((CEPH,) if volume.kind == "rbd" else ()), *((LUKS,) if volume.encrypted else ()))


def nodes(volume: Volume, chain: Chain, *, size: int | None = None) -> list[Options]:
    """The nodes, each above the one before; the last is what the disk stands on. `size`: no more of it than that is shown."""
    name = chain.name
    own: Options = {"driver": "raw", "node-name": name, "file": chain.bytes_(volume)}
    if volume.encrypted:
        own = {**own, "driver": "luks", "key-secret": chain.secret(LUKS)}
    elif size is not None:
        own["size"] = size
    found = [_bytes(volume, chain), own]
    if volume.format is ImageFormat.QCOW2:
        # Whatever the file says of itself, it stands on no other.
        found.insert(1, {"driver": "qcow2", "node-name": chain.bytes_(volume), "file": f"{name}-file", "backing": None})
    if volume.limits:
        found.append({"driver": "throttle", "node-name": chain.names[0], "throttle-group": chain.limits, "file": name})
    return [{**node, "read-only": volume.readonly, "discard": "unmap"} for node in found]


def _bytes(volume: Volume, chain: Chain) -> Options:
    name = f"{chain.name}-file"
    if volume.kind != "rbd" or volume.cluster is None:
        driver = "host_device" if is_device(volume) else "file"
        return {"driver": driver, "node-name": name, "filename": f"/dev/fdset/{chain.number}"}
    pool, _, image = volume.path.partition("/")
    # Where the cluster is stands in a file of the server's own; the key never does.
    return {
        "driver": "rbd",
        "node-name": name,
        "pool": pool,
        "image": image,
        "conf": conf_file(chain),
        "user": volume.cluster.user,
        "key-secret": chain.secret(CEPH),
        "auth-client-required": ["cephx"],
    }


def is_device(volume: Volume) -> bool:
    """Whether its file is a block device of the host, such as a logical volume."""
    return volume.path.startswith("/dev/")


def conf_file(chain: Chain) -> str:
    """The file in the server's directory that says where the volume's cluster is."""
    return f"{chain.name}.conf"


def device(volume: Volume, chain: Chain) -> Options:
    """The guest's disk, as QEMU's device_add takes it."""
    return {
        "driver": "virtio-blk-pci",
        "id": disk(chain.slot),
        "drive": chain.top(volume),
        "serial": volume.id[:SERIAL],
        "addr": f"{chain.slot:#x}",
        "share-rw": volume.shared,
    }

"""What all machines of a cluster have to agree on: rings, policies, the salt, and where each host is. One document, with a version.

The first controller makes it; everybody else takes it from whoever has a newer one, and keeps it on disk, so that a machine
that starts alone knows where things are.
"""

import struct
from array import array
from collections.abc import Callable
from pathlib import Path

import msgspec

from pileus.object_store.disk.durable import ensure_folder, write_durably
from pileus.object_store.errors import StorageProblem
from pileus.object_store.ring.places import Device, Ring
from pileus.object_store.ring.rings import Policy, Rings

FILE = "cluster.json"
MAIN = "main"
FIRST = ""  # the host name of the first controller's own devices
CONTROLLER = "@controller"  # as whom controllers prove themselves; no host can be called so
DOMAIN = "objects.internal"


class BadCluster(StorageProblem):
    """{file} does not say what the cluster is in a way that this release knows: {why}. Bring it back from another machine."""


class Reached(msgspec.Struct, frozen=True):
    """Where a host's storage server answers, and the digest of the key it proves itself with."""

    address: str
    port: int
    key: str = ""


class PackedRing(msgspec.Struct, frozen=True, kw_only=True):
    """A ring on its way; a row is 16 bit numbers, the low byte first."""

    part_power: int
    devices: tuple[Device, ...]
    rows: tuple[bytes, ...]
    version: int = 1
    next_part_power: int = 0


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster. `rings` holds the main one and, by index, those that policies have of their own."""

    format: int = 1
    version: int
    salt: str
    policies: tuple[Policy, ...]
    rings: dict[str, PackedRing]
    hosts: dict[str, Reached] = {}


def packed(ring: Ring) -> PackedRing:
    """The ring as it travels."""
    rows = tuple(struct.pack(f"<{len(row)}H", *row) for row in ring.rows)
    return PackedRing(
        part_power=ring.part_power,
        devices=tuple(ring.devices.values()),
        rows=rows,
        version=ring.version,
        next_part_power=ring.next_part_power,
    )


def unpacked(ring: PackedRing) -> Ring:
    """The ring as it is used."""
    rows = [array("H", struct.unpack(f"<{len(row) // 2}H", row)) for row in ring.rows]
    return Ring(ring.part_power, ring.devices, rows, ring.version, ring.next_part_power)


def rings_of(cluster: Published) -> Rings:
    """The rings of a cluster, ready to be used."""
    made = {name: unpacked(ring) for name, ring in cluster.rings.items()}
    main = made.get(MAIN) or Ring(1, (), ())  # of a machine that knows nothing yet
    objects = {policy.index: made.get(str(policy.index), main) for policy in cluster.policies}
    return Rings(main, main, objects, cluster.policies, cluster.salt)


def server_name(host: str) -> str:
    """The name a storage server's certificate is for; no host can have the controller's."""
    return f"{host}.host.{DOMAIN}" if host else f"controller.{DOMAIN}"


class Atlas:
    """The newest that this machine knows of the cluster. Its `rings` stay the same object; what they hold changes."""

    def __init__(self, file: Path, cluster: Published) -> None:
        self.file = file
        self.cluster = cluster
        self.rings = rings_of(cluster)
        self.changed: list[Callable[[], None]] = []

    @classmethod
    def kept(cls, file: Path) -> "Atlas | None":
        """What this machine knew last; None when it never knew anything. Raises BadCluster."""
        try:
            cluster = msgspec.json.decode(file.read_bytes(), type=Published)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as bad:
            raise BadCluster(file=file, why=bad) from bad
        if cluster.format != 1:
            raise BadCluster(file=file, why=f"its format is {cluster.format}")
        return cls(file, cluster)

    def take(self, cluster: Published) -> bool:
        """If that is newer, it counts from now on and after a restart; return whether it was. Blocks for a moment."""
        known = self.cluster
        if cluster.version <= known.version or (known.version and cluster.salt != known.salt):
            return False  # of another cluster nothing is believed
        self.cluster = cluster
        self.rings.become(rings_of(cluster))
        self.keep()
        for told in self.changed:
            told()
        return True

    def keep(self) -> None:
        """What is known is on disk."""
        ensure_folder(str(self.file.parent))
        write_durably(str(self.file), msgspec.json.encode(self.cluster), str(self.file.parent))

    def where(self, host: str) -> Reached | None:
        """Where a host is, if that is known."""
        return self.cluster.hosts.get(host)

    def admits(self, name: str, key: str) -> bool:
        """Whether whoever proved to be so is of this cluster."""
        if name == CONTROLLER:
            return True
        known = self.cluster.hosts.get(name)
        return known is not None and known.key == key

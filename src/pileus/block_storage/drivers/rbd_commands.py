"""What the rbd program is told, and what it says: pure functions.

[pool]/volume.<id>.<content>.<host>      a disk, with the host that is in charge of it
[pool]/...<host>.part                    one that is not whole
<image>@for.<name>                       a moment that a copy is being made of; gone when it is
"""

from collections.abc import Sequence

import msgspec

from pileus.block_storage.drivers.disks import Spot, spot_of

PART = ".part"
FEATURES = "layering,exclusive-lock,object-map,fast-diff,deep-flatten"
NOT_THERE = 2
EXISTS = 17
NOT_EMPTY = 39


class Cluster(msgspec.Struct, frozen=True):
    """Which Ceph, as whom, and which pool of it."""

    pool: str
    conf: str
    user: str

    def rbd(self, *words: str) -> list[str]:
        """A command of rbd."""
        return ["rbd", "--conf", self.conf, "--id", self.user, *words]

    def ceph(self, *words: str) -> list[str]:
        """A command of ceph, answered in JSON."""
        return ["ceph", "--conf", self.conf, "--id", self.user, "--format", "json", *words]

    def spec(self, image: str, moment: str | None = None) -> str:
        """An image of the pool, or a moment of it."""
        return f"{self.pool}/{image}" + (f"@{moment}" if moment else "")


def image_name(at: Spot, host: str) -> str:
    """What a disk is called in the pool."""
    return f"{at.name}.{host}"


def spot_in(image: str, host: str) -> Spot | None:
    """Which of that host's disks is called so; None for what is another's, or not whole."""
    own = image.removesuffix(f".{host}")
    return None if own == image else spot_of(own)


class Listed(msgspec.Struct):
    """A line of `rbd ls --long`; snapshots have lines of their own."""

    image: str
    size: int
    snapshot: str | None = None


class Measured(msgspec.Struct):
    """What `rbd info` says of an image."""

    size: int


class Trashed(msgspec.Struct):
    """A line of `rbd trash ls`."""

    id: str
    name: str


class _Stored(msgspec.Struct):
    stored: int = 0
    max_avail: int = 0


class _Pool(msgspec.Struct):
    name: str
    stats: _Stored


class _Usage(msgspec.Struct):
    pools: tuple[_Pool, ...]


def images_in(text: str) -> Sequence[Listed]:
    """The images `rbd ls --long` lists."""
    return [each for each in msgspec.json.decode(text, type=list[Listed]) if each.snapshot is None]


def names_in(text: str) -> list[str]:
    """The images `rbd ls` lists."""
    return msgspec.json.decode(text, type=list[str])


def trash_in(text: str) -> list[Trashed]:
    """What `rbd trash ls` lists."""
    return msgspec.json.decode(text, type=list[Trashed])


def last_words(text: str) -> str:
    """What a program said when it failed, without how far it had come."""
    return " ".join(line for line in text.replace("\r", "\n").splitlines() if "% complete" not in line).strip()


def room_in(text: str, pool: str) -> tuple[int, int]:
    """How many bytes a pool has in all and left, from `ceph df`."""
    for each in msgspec.json.decode(text, type=_Usage).pools:
        if each.name == pool:
            return each.stats.stored + each.stats.max_avail, each.stats.max_avail
    return 0, 0

"""Disks of a server's own besides the one it boots from: scratch disks, which begin empty, and one to swap to.

They come in the order in which guests have always found them: scratch disks first, the one to swap to last, volumes behind them.
"""

from collections.abc import Sequence

import msgspec

from pileus.compute.models.flavors import Size

MIB_OF_GIB = 1024
SWAP = "swap"
SCRATCH = "ext4"  # what a scratch disk is formatted with if nothing else was asked for
FORMATS = frozenset({"ext2", "ext3", "ext4", "xfs", "vfat"})


class OwnDisk(msgspec.Struct, frozen=True, kw_only=True):
    """A disk of a server's own. `mib`: how large, or as large as its flavor says."""

    format: str = SCRATCH
    mib: int | None = None
    tag: str | None = None

    @property
    def is_swap(self) -> bool:
        """Whether the guest swaps to it."""
        return self.format == SWAP


USUAL = (OwnDisk(), OwnDisk(format=SWAP))
EARLIER = (OwnDisk(),)  # what a server has of which an earlier release wrote down nothing


def disks_of(disks: Sequence[OwnDisk] | None, size: Size) -> list[OwnDisk]:
    """What a server of that size has, each with how large it is; what is of no size is not there."""
    found = [
        msgspec.structs.replace(disk, mib=_usual(disk, size) if disk.mib is None else disk.mib)
        for disk in (EARLIER if disks is None else disks)
    ]
    return [disk for disk in found if disk.mib]


def _usual(disk: OwnDisk, size: Size) -> int:
    return size.swap if disk.is_swap else size.ephemeral * MIB_OF_GIB

"""Volumes of servers: which one is which disk, where it comes from, and how its host gets at it."""

import datetime as dt
import string

import msgspec

from pileus.compute.models.servers import ServerState
from pileus.ports.block_storage import Connection

MOST_DISKS = 16  # of a server, its own included
ATTACHABLE = frozenset({ServerState.ACTIVE, ServerState.PAUSED, ServerState.STOPPED, ServerState.RESIZED,
                        ServerState.SHELVED, ServerState.SHELVED_OFFLOADED})  # fmt: skip
SWAPPABLE = frozenset({ServerState.ACTIVE, ServerState.PAUSED, ServerState.RESIZED})
ON_HOST = ATTACHABLE - {ServerState.SHELVED, ServerState.SHELVED_OFFLOADED}


def key_of(volume_id: str, edition: int) -> str:
    """What tells a volume from any other of a server, and from itself elsewhere, as hosts have it."""
    return f"{volume_id}#{edition}" if edition else volume_id


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What a volume is made of at a server's boot, for which it is made."""

    kind: str  # image, snapshot, blank
    id: str | None = None
    size_gib: int
    type: str | None = None


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """How a host gets at a volume."""

    host: str
    how: Connection


class Successor(msgspec.Struct, frozen=True, kw_only=True):
    """The volume that takes a volume's place; the same one where only its bytes go elsewhere."""

    volume_id: str
    attachment_id: str
    edition: int = 0
    connected: Connected | None = None

    @property
    def key(self) -> str:
        """What hosts call it."""
        return key_of(self.volume_id, self.edition)


class ServerVolume(msgspec.Struct, frozen=True, kw_only=True):
    """A volume as a disk of a server. `id` names the disk; `source` is what the volume is made of, if it is made with the server.

    `edition` counts the places its bytes have had while the server had it; `successor` is about to take its place.
    """

    id: str
    server_id: str
    volume_id: str
    attachment_id: str
    place: int
    boot_index: int | None = None
    delete_on_termination: bool = False
    tag: str | None = None
    source: Source | None = None
    connected: Connected | None = None
    edition: int = 0
    successor: Successor | None = None
    created_at: dt.datetime

    @property
    def key(self) -> str:
        """What hosts call it."""
        return key_of(self.volume_id, self.edition)

    @property
    def serial(self) -> str:
        """The serial number the guest reads from the disk."""
        return self.volume_id[:20]

    @property
    def device(self) -> str:
        """The disk's usual name in the guest."""
        return device_of(self.place)


def device_of(place: int) -> str:
    """The usual name of the disk with that place: /dev/vda for the first."""
    return f"/dev/vd{string.ascii_lowercase[place]}"


def place_of(device: str | None) -> int | None:
    """The place of the disk with that name; None if the name is of no disk a server can have."""
    letter = (device or "").removeprefix("/dev/").removeprefix("vd")
    place = string.ascii_lowercase.find(letter) if len(letter) == 1 else -1
    return place if 0 <= place < MOST_DISKS else None


def free_place(own_disks: int, volumes: list[ServerVolume], device: str | None = None) -> int | None:
    """A place for one more volume, that of the device if it is free; None if there is none.

    The server's own disks come first, one of which, or a volume, is what it boots from.
    """
    taken = {*range(own_disks), *(volume.place for volume in volumes)}
    wanted = place_of(device)
    if wanted is not None and wanted not in taken:
        return wanted
    return next((place for place in range(MOST_DISKS) if place not in taken), None)

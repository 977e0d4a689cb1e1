"""What other services need of volumes: to reserve one, to learn how a host gets at its bytes, and to give it back.

    reserve -> connect (at a host) -> complete          detach: begin_detaching -> disconnect -> release
    reserve (moves) -> connect (at another host) -> complete -> (it runs there) -> release the first
    create_for_boot -> ready? -> reserve ...

Every verb is repeatable for the same attachment, and joins the caller's transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from pileus.kit.auth import Caller
from pileus.ports.volume_keys import LinkKeys, VolumeKeys
from pileus.ports.volume_lists import VolumeLists


class VolumeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A volume as those who attach it need it."""

    id: str
    name: str | None
    project_id: str
    status: str
    size_gib: int
    bootable: bool
    multiattach: bool
    readonly: bool
    zone: str | None
    host: str | None  # whose file it is; None where several hosts get at it
    reached_by: frozenset[str] | None = None  # the hosts that get at it now; None: every one
    store_at: frozenset[str] | None = None  # those of them that do so by themselves, and not by another host
    encrypted: bool = False
    image_properties: Mapping[str, str] = {}
    failure: str | None = None


class NewVolume(msgspec.Struct, frozen=True, kw_only=True):
    """A volume to boot from, or to have beside."""

    name: str
    size_gib: int
    image_id: str | None = None
    snapshot_id: str | None = None
    type: str | None = None
    zone: str | None = None
    host: str | None = None  # the host the server is on, where volumes are kept by hosts


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a host lets through to a volume in a second; None is no limit."""

    total_bytes: int | None = None
    read_bytes: int | None = None
    write_bytes: int | None = None
    total_iops: int | None = None
    read_iops: int | None = None
    write_iops: int | None = None


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """How a host asks Ceph: the path of its configuration, which names monitors and keyring, and whose key of that is used."""

    conf: str
    user: str


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """How a host gets at a volume's bytes.

    A `file` is a path on the host itself: a file, a block device, or a file of a directory that several hosts have mounted. Of
    an `rbd` the path is `pool/image`, and `cluster` says where Ceph's configuration lies on the host and as whom to ask. What
    is `fake` has no bytes.

    The format `luks` is a raw disk encrypted by LUKS (QEMU's block driver of that name, over what the file of the format `within`
    holds): what opens it is asked of `VolumeKeys` under the volume's id just before, and handed to QEMU as a secret that stands in no
    argument or environment.
    """

    volume_id: str
    attachment_id: str
    kind: Literal["file", "rbd", "fake"]
    path: str
    format: Literal["raw", "qcow2", "luks"]
    within: Literal["raw", "qcow2"] = "raw"
    size_gib: int
    readonly: bool = False
    shared: bool = False  # others may have it too
    limits: Limits = Limits()
    cluster: Cluster | None = None


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """An attachment as servers are listed with it."""

    id: str
    volume_id: str
    server_id: str
    device: str | None
    status: str


class Ways(LinkKeys, Protocol):
    """How hosts get at volumes that other hosts keep."""

    async def prepare(self, attachment_id: str, host: str) -> str | None:
        """The host gets at the volume as soon as it is connected there; or, while it does not yet, what has to be waited for.

        Outside of transactions: it tells hosts what to do. Raises Conflict when it will not come to that.
        """
        ...


class Messages(Protocol):
    """What owners of volumes read about them."""

    async def explain(self, volume_id: str, why: str, request_id: str | None) -> None:
        """Who reads the volume's messages learns that a server cannot read or write it, and why; it need not exist."""
        ...


class Volumes(Protocol):
    """Disks that outlive servers."""

    messages: Messages

    lists: VolumeLists
    keys: VolumeKeys
    ways: Ways

    async def get(self, volume_id: str, caller: Caller) -> VolumeFacts | None:
        """The volume, if it exists and is the caller's project's; None else."""
        ...

    async def create(self, volume_id: str, caller: Caller, new: NewVolume) -> VolumeFacts:
        """The volume exists, and is being filled; repeatable for the same id. Raises what is wrong with the request."""
        ...

    async def look(self, volume_id: str) -> VolumeFacts | None:
        """The volume as it is now, whoever's it is; None when it is gone."""
        ...

    async def remove(self, volume_id: str) -> None:
        """The volume is being deleted, once nothing has it attached; it need not exist."""
        ...

    async def snapshot(self, snapshot_id: str, volume_id: str, name: str) -> None:
        """A snapshot of the volume, attached or not, is being made; repeatable for the same id."""
        ...

    async def reserve(
        self, attachment_id: str, volume_id: str, server_id: str, caller: Caller, *, moves: bool = False
    ) -> None:
        """The volume is kept for the server, and for no other unless it is multi-attach; raises what speaks against it.

        `moves`: the server has it already, and is to have it at another host as well while it goes there.
        """
        ...

    async def connect(
        self, attachment_id: str, host: str, *, device: str | None = None, readonly: bool = False, moving: bool = False
    ) -> Connection:
        """The volume is being attached at the host, and this is how; raises Conflict when that host cannot get at it.

        `moving`: where it is on its way to, while it is; whoever is not part of that is refused meanwhile.
        """
        ...

    async def complete(self, attachment_id: str) -> None:
        """The server has the volume."""
        ...

    async def begin_detaching(self, attachment_id: str) -> None:
        """The volume is shown as being detached."""
        ...

    async def roll_detaching(self, attachment_id: str) -> None:
        """The volume is in use as before: it could not be detached."""
        ...

    async def release(self, attachment_id: str) -> None:
        """The attachment is gone, and the volume free if it was the last; it need not exist."""
        ...

    async def attachments(self, server_ids: Sequence[str]) -> Mapping[str, tuple[Attached, ...]]:
        """What each of the servers has, or is about to."""
        ...

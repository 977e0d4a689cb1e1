"""What a hypervisor is given, what it answers, and what it promises.

A host gets one `Wanted` document per server and reports one `Seen`; between them stands a `Hypervisor` with verbs that
each ensure a state. Abilities that not every hypervisor has are protocols of their own, found with `isinstance`.
"""

import asyncio
import datetime as dt
import enum
from collections.abc import Callable, Collection, Mapping
from typing import Protocol, runtime_checkable

import msgspec

from pileus.ports.attached_disks import AttachedDisks


class Power(enum.StrEnum):
    """What a server's power should be."""

    ON = "on"
    OFF = "off"
    PAUSED = "paused"
    SUSPENDED = "suspended"  # its memory is in a file, and nothing runs


class PowerSeen(enum.StrEnum):
    """What a server's power is. CRASHED: it ended though nobody, guest or owner, asked for that."""

    ON = "on"
    OFF = "off"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    CRASHED = "crashed"
    ABSENT = "absent"


class ConsoleKind(enum.StrEnum):
    """Ways to look at a running server."""

    VNC = "vnc"
    SERIAL = "serial"
    AGENT = "agent"  # no screen: the channel to the agent in the guest


class Stillness(enum.StrEnum):
    """Whether a guest's file systems hold still when a copy of its disk begins, which the agent in it sees to."""

    NONE = "none"
    TRY = "try"  # if they do not, the copy is what a power cut would leave
    MUST = "must"


class ImageFormat(enum.StrEnum):
    """Formats a disk can be laid over without conversion."""

    RAW = "raw"
    QCOW2 = "qcow2"


class Stored(enum.StrEnum):
    """Formats of images that hosts make raw disks of; and discs, whose bytes are as those of raw disks."""

    VMDK = "vmdk"
    VDI = "vdi"
    VHD = "vhd"
    VHDX = "vhdx"
    ISO = "iso"


class Bus(enum.StrEnum):
    """What the drive of a disc can be at."""

    IDE = "ide"
    SATA = "sata"
    SCSI = "scsi"


class Image(msgspec.Struct, frozen=True):
    """What is needed to boot from an image. `size` is that of the stored file, in bytes. A host never guesses what the bytes are: they
    are `stored`, or else what disks are laid over, `format`, and are refused if they are not. `drive`: it is a disc, in a drive
    at that bus."""

    id: str
    format: ImageFormat
    size: int = 0
    checksum: str = ""
    stored: Stored | None = None
    drive: Bus | None = None

    @property
    def claim(self) -> str:
        """What its bytes are said to be."""
        return self.stored or self.format

    @property
    def converted(self) -> bool:
        """Whether it has to be made a raw disk before disks can be laid over it."""
        return self.stored not in (None, Stored.ISO)


class Disk(msgspec.Struct, frozen=True):
    """A disk of the server's own. One of no size is as large as its image, and any other at least as large; one without an
    image is formatted as said.

    `size_mib` comes on top of `size_gib`.
    """

    size_gib: int
    image: Image | None = None
    size_mib: int = 0
    format: str | None = None  # swap, or a file system

    @property
    def octets(self) -> int:
        """How large it is, at least; a disc is as large as it is, whatever room there is for it."""
        return self.room if self.image is None or self.image.drive is None else 0

    @property
    def room(self) -> int:
        """How many bytes there is room for; 0: as many as its image has."""
        return self.size_gib * 2**30 + self.size_mib * 2**20

    @property
    def size(self) -> str:
        """The same in words."""
        return f"{self.size_gib}+{self.size_mib}" if self.size_mib else str(self.size_gib)


class Nic(msgspec.Struct, frozen=True):
    """A network card, plugged into a port."""

    port_id: str
    mac: str
    mtu: int = 1500
    model: str = "virtio"


class Cluster(msgspec.Struct, frozen=True):
    """How this host asks Ceph: by a configuration that says where it is, as a user whose key is on this host too."""

    conf: str
    user: str


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A disk that outlives the server. A `file` is on this host; an `rbd` is `pool/image` of the `cluster`; what is `fake` has
    no bytes.

    `place`: among the server's disks, the one it boots from having place 0. `shared`: other servers have it too. `limits`: what is
    let through in a second, by QEMU's names. `encrypted`: by LUKS; what opens it is asked for when it is needed. `edition` counts
    the places its bytes have had while this server had it. `instead_of`: the key of the volume whose place it takes, with all
    that is on that one, which is wanted beside it until that is done.
    """

    id: str
    kind: str
    path: str
    place: int
    format: ImageFormat = ImageFormat.RAW
    size_gib: int = 0
    readonly: bool = False
    shared: bool = False
    limits: dict[str, int] = {}
    encrypted: bool = False
    cluster: Cluster | None = None
    edition: int = 0
    instead_of: str | None = None

    @property
    def key(self) -> str:
        """What tells it from any other disk of the server, and from itself elsewhere."""
        return f"{self.id}#{self.edition}" if self.edition else self.id


class Restarts(msgspec.Struct, frozen=True):
    """How often each was asked for since the server was made, and in `Seen` how often it was done.

    Counters, because a host may miss or repeat a document. `start` counts requests to power on: a server that ended by
    itself stays off until this grows, however long power ON is wanted.
    """

    start: int = 0
    soft: int = 0
    hard: int = 0
    nmi: int = 0  # interrupts that no guest can mask, for crash dumps


class Consoles(msgspec.Struct, frozen=True):
    """Which consoles the server has."""

    vnc: bool = True
    serial: bool = True


class Departure(msgspec.Struct, frozen=True):
    """A running server is to go to another host without standing still for long; `id` names this one attempt.

    `disks`: which of its own disks go along, by number; None: all. `hurry`: it stands still until it is there.
    """

    id: str
    to: str
    disks: tuple[int, ...] | None = None
    hurry: bool = False


class Arrival(msgspec.Struct, frozen=True):
    """A running server comes from the `origin`; until this is wanted no more it waits here and does not run.

    `machine` and `slots`: as seen at the origin. `disks`: as in the departure.
    """

    id: str
    machine: str = ""
    slots: dict[str, int] = {}
    disks: tuple[int, ...] | None = None


class Stage(enum.StrEnum):
    """How far a server is on its way."""

    AWAITED = "awaited"  # at the target: everything is ready for it
    DISKS = "disks"  # at the origin: its disks are being copied
    MEMORY = "memory"  # at the origin: its memory is being copied
    SENT = "sent"  # at the origin: it stands still, and all of it was sent
    RECEIVED = "received"  # at the target: all of it is here; it stands still
    FAILED = "failed"  # the attempt is over; at the origin the server goes on


class Move(msgspec.Struct, frozen=True):
    """How a departure or arrival gets on; amounts are in bytes."""

    id: str
    stage: Stage
    why: str | None = None
    memory_total: int = 0
    memory_left: int = 0
    memory_sent: int = 0
    disk_total: int = 0
    disk_sent: int = 0


class Wanted(msgspec.Struct, frozen=True):
    """All a host is told about a server.

    `config_drive`: files the guest finds on a disc labelled `config-2`, by path, in base64.
    `disk_generation`: when it differs from that of the disks there are, they are made anew from the image. `rescue`: while given,
    the server boots from a fresh disk of this image and has its own disks behind that. `agent`: there is a channel
    to QEMU's guest agent, since its image says that it has one. `snapshot`: the root disk is copied
    as it is now, whole, to a file of that name; `stillness` is for that moment, if the server runs. `checkpoint`: the disks are remembered under this name before anything else is
    changed; `rollback`: they are as they were at that checkpoint. `origin`: the host that has the disks; those that are not here
    yet come from there, and none is made anew. `root` is None for a server that boots from a volume, the one with place 0.
    `departure` and `arrival`: the server moves while it runs; never both. `password` refers to the one that the disc tells besides.
    """

    id: str
    name: str
    project_id: str
    vcpus: int
    ram_mib: int
    root: Disk | None
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    power: Power = Power.ON
    restarts: Restarts = Restarts()
    consoles: Consoles = Consoles()
    firmware: str = "bios"
    cpu_model: str | None = None
    disk_generation: int = 0
    rescue: Image | None = None
    snapshot: str | None = None
    stillness: Stillness = Stillness.NONE
    checkpoint: str | None = None
    rollback: str | None = None
    origin: str | None = None
    config_drive: dict[str, str] | None = None
    password: str | None = None
    agent: bool = False
    volumes: tuple[Volume, ...] = ()
    departure: Departure | None = None
    arrival: Arrival | None = None

    @property
    def own_disks(self) -> tuple[Disk, ...]:
        """The disks that are the server's own, the one it boots from first if that is one of them."""
        return self.disks if self.root is None else (self.root, *self.disks)

    @property
    def shape(self) -> str:
        """What cannot change while the server runs: a server of another shape has to be started anew."""
        size = f"{self.vcpus}x{self.ram_mib}"
        disks = ",".join(disk.size for disk in self.own_disks)
        return f"{size}/{self.disk_generation}:{disks}/{self.rescue.id if self.rescue else ''}"


class ConsoleAddresses(msgspec.Struct, frozen=True):
    """Where the consoles of a running server are on this host: paths of sockets."""

    vnc: str | None = None
    serial: str | None = None


class Copy(msgspec.Struct, frozen=True):
    """A whole copy of a root disk, in qcow2: where it is on the host."""

    name: str
    file: str


class DiskError(msgspec.Struct, frozen=True, kw_only=True):
    """A disk that could not be read or written under a guest: since when, in the host's own words why, and whether the guest
    stood still for it, or was told by its disk. `volume` is None for a disk of the server's own.
    """

    disk: str
    operation: str
    why: str
    at: dt.datetime
    stopped: bool = False
    volume: str | None = None


class Seen(msgspec.Struct, frozen=True):
    """What a host sees of a server.

    `doing` is work that goes on by itself ("fetching the image", "stopping"); `failure` says why the last ensure did
    not succeed, in the tool's own words, and is gone once one does; `exit_reason` is why the server last ended. `shape` is
    the last one wanted that is fulfilled. `cards` are the ports whose cards it has, or will start with; `cards_changing`
    those whose cards are on their way into a guest that runs, or out of it, for which the guest has to let go. `volumes` and
    `volumes_changing` are the same of volumes, by their keys; `volume_sizes` is how large the guest sees them, in GiB. `machine` is the kind of machine that runs, in the hypervisor's
    own word, and `slots` where its cards are, by port; `move` is how it gets on with its way to another host, or here.
    `panicked_at` is when the guest told that its kernel has panicked, until it starts again; `disk_errors` are its disks' since then.
    """

    power: PowerSeen = PowerSeen.ABSENT
    restarts: Restarts = Restarts()
    disks_ready: bool = False
    doing: str | None = None
    failure: str | None = None
    consoles: ConsoleAddresses = ConsoleAddresses()
    started_at: dt.datetime | None = None
    exit_reason: str | None = None
    panicked_at: dt.datetime | None = None
    pid: int | None = None
    shape: str = ""
    snapshot: Copy | None = None
    cards: tuple[str, ...] = ()
    cards_changing: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    volumes_changing: tuple[str, ...] = ()
    volume_sizes: dict[str, int] = {}
    machine: str = ""
    slots: dict[str, int] = {}
    move: Move | None = None
    disk_errors: tuple[DiskError, ...] = ()


ABSENT = Seen(PowerSeen.ABSENT)


class DriverError(Exception):
    """A verb could not do what it was asked: `what` in our words, `why` in the tool's."""

    def __init__(self, what: str, why: str) -> None:
        self.what = what
        self.why = why
        super().__init__(f"{what}: {why}")


CARDS = "cards"  # gives servers cards and takes them while they are as they are, and reports which they have
DISKS = "disks"  # takes disks from another host, and gives them
VOLUMES = "volumes"  # gives servers volumes and takes them while they are as they are, and boots from them
LIVE = "live"  # hands servers that run to another host, and takes them
ENCRYPTED = "encrypted"  # opens encrypted volumes
RBD = "rbd"  # reads volumes from Ceph
SWAP = "swap"  # puts one volume in another's place while the guest goes on
FORMATS = "formats"  # boots from images of every format, and from discs
ABILITIES = (CARDS, DISKS, VOLUMES, LIVE, ENCRYPTED, RBD, SWAP, FORMATS)


class Facts(msgspec.Struct, frozen=True):
    """What a host has to offer. `abilities` came later than the first release: a host that does not name one lacks it."""

    hostname: str
    cpus: int
    ram_mib: int
    disk_gib: int
    disk_free_gib: int
    arch: str
    hypervisor: str
    hypervisor_version: str
    accel: str
    abilities: tuple[str, ...] = ()


Changed = Callable[[str], None]


class Hypervisor(Protocol):
    """Runs servers on this host. Every verb ensures a state and may be repeated.

    No verb waits for a guest or for a copy of an image: what takes long goes on by itself, shows in `Seen.doing`, and
    `changed(id)` is called when it is worth looking, and ensuring, again. So too when a server ends by itself.
    """

    def on_change(self, changed: Changed) -> None:
        """From now on `changed(id)` is called whenever a server is worth another look."""
        ...

    async def facts(self) -> Facts:
        """What this host has."""
        ...

    async def observe(self) -> Mapping[str, Seen]:
        """Every server that is here, in whatever state."""
        ...

    async def look(self, id: str) -> Seen:
        """The server as it is now; power ABSENT if it is not here."""
        ...

    async def ensure(self, server: Wanted) -> None:
        """The server is, or is becoming, as wanted; raises DriverError if it cannot."""
        ...

    async def ensure_power(self, id: str, power: Power) -> None:
        """A server that is here has, or is getting, that power; otherwise it stays as it was last wanted."""
        ...

    async def ensure_gone(self, id: str) -> None:
        """Nothing of the server is left on this host."""
        ...

    async def close(self) -> None:
        """Let go of every server without touching any: they go on running."""
        ...


@runtime_checkable
class ShowsConsoleLog(Protocol):
    """Keeps what servers print on their serial console."""

    async def console_log(self, id: str, lines: int | None = None) -> str:
        """The end of the console's text; the last `lines` lines of it if given. Empty if it never ran."""
        ...


@runtime_checkable
class OpensConsole(Protocol):
    """Lets one talk to a console of a running server."""

    async def open(self, id: str, kind: ConsoleKind) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the console; raises DriverError if the server does not run or has no such console."""
        ...


@runtime_checkable
class GivesFiles(Protocol):
    """Gives what it has of a server to the host the server moves to, and copies of disks to whoever keeps images."""

    async def give(self, id: str, name: str) -> int:
        """An open descriptor of the file, which the caller closes: a disk of a server at rest, or a copy.

        Raises DriverError.
        """
        ...


@runtime_checkable
class MovesLive(Protocol):
    """Takes servers that run from other hosts."""

    async def landing(self, id: str, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to what waits here for the server's `disks` or `memory`; raises DriverError."""
        ...


def lasting(wanted: Wanted, have: Collection[str]) -> tuple[Volume, ...]:
    """The volumes a server starts with: of two of which one shall take the other's place, the one that has the bytes."""
    after = {volume.instead_of for volume in wanted.volumes if volume.instead_of is not None and volume.key in have}
    return tuple(
        volume
        for volume in wanted.volumes
        if volume.key not in after and (volume.instead_of is None or volume.key in have)
    )


@runtime_checkable
class CopiesVolumes(Protocol):
    """Copies volumes while its servers have them."""

    @property
    def attached(self) -> AttachedDisks:
        """Those its servers have."""
        ...


class ImageShelf(Protocol):
    """The images a host has."""

    def on_arrival(self, came: Changed) -> None:
        """From now on `came(image)` is called when an image that was on its way is here, or could not come."""
        ...

    async def keep(self, image: Image) -> bool:
        """The image is on this host (True), or on its way; raises DriverError, once, with why it did not come.

        How disks are laid over it does not matter yet.
        """
        ...


@runtime_checkable
class KeepsImages(Protocol):
    """Has images on its host before servers boot from them."""

    @property
    def images(self) -> ImageShelf:
        """Those it has."""
        ...

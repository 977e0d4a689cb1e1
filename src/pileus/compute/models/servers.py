"""Servers: their row, and the three words that are computed from it, from what the host sees and from the operation."""

import datetime as dt
import enum
import hashlib
import re
from typing import Any

import msgspec

from pileus.compute.models.flavors import Size
from pileus.compute.models.own_disks import OwnDisk, disks_of


class ServerState(enum.StrEnum):
    """What a server is, between two operations."""

    BUILDING = "building"
    ACTIVE = "active"
    STOPPED = "stopped"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    RESCUED = "rescued"
    RESIZED = "resized"
    SHELVED = "shelved"
    SHELVED_OFFLOADED = "shelved_offloaded"
    ERROR = "error"
    DELETED = "deleted"


class PowerWanted(enum.StrEnum):
    """What the power should be, once no operation is under way."""

    ON = "on"
    OFF = "off"


class LockedBy(enum.StrEnum):
    """Who locked a server: its project, or an admin."""

    OWNER = "owner"
    ADMIN = "admin"


def _says_yes(value: str | None) -> bool:
    return value is not None and value.lower() in {"yes", "true", "1", "on", "y", "t"}


AS_THEY_ARE = frozenset(
    {"raw", "gpt", "ami", "qcow2"}
)  # disks are laid over images of these; those but the last are raw
MADE_RAW = frozenset({"vmdk", "vdi", "vhd", "vhdx"})
DISC = "iso"
BOOTABLE = AS_THEY_ARE | MADE_RAW | {DISC}
DRIVES = {"ide": "hda", "sata": "sda", "scsi": "sda"}  # where a disc can be, and what it is called there
USUAL_DRIVE, USUAL_ROOT = "ide", "vda"


class BootImage(msgspec.Struct, frozen=True, kw_only=True):
    """The image a server was made from, as it was then."""

    id: str
    name: str | None
    disk_format: str
    size: int
    checksum: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    properties: dict[str, str] = {}

    @property
    def is_made_raw(self) -> bool:
        """Whether hosts make a raw disk of it first."""
        return self.disk_format in MADE_RAW

    @property
    def is_disc(self) -> bool:
        """Whether the server has it as a disc in a drive, and not as a disk."""
        return self.disk_format == DISC

    @property
    def drive(self) -> str:
        """What the drive is at, if it is a disc."""
        return self.properties.get("hw_cdrom_bus", USUAL_DRIVE)

    @property
    def has_agent(self) -> bool:
        """Whether QEMU's guest agent is in it."""
        return _says_yes(self.properties.get("hw_qemu_guest_agent"))

    @property
    def must_be_still(self) -> bool:
        """Whether no copy of a running server's disk is to be made but with its file systems at rest."""
        return _says_yes(self.properties.get("os_require_quiesce"))

    @property
    def admin(self) -> str:
        """The user that may do everything."""
        windows = self.properties.get("os_type") == "windows"
        return self.properties.get("os_admin_user") or ("Administrator" if windows else "root")


class Resized(msgspec.Struct, frozen=True, kw_only=True):
    """What a resized or moved server was before, until that is confirmed or reverted. `operation`: what changed it, after
    which its former room and the state of its disks then are named. `host`: where it was, and its disks as they were still
    are; None if it stayed where it is."""

    operation: str
    flavor: Size
    power: PowerWanted
    host: str | None = None


class ServerKey(msgspec.Struct, frozen=True):
    """The public key a server was given; deleting the keypair does not take it away."""

    name: str
    type: str
    public_key: str


class GivenFile(msgspec.Struct, frozen=True):
    """A file a server was given to begin with; its contents in base64."""

    path: str
    contents: str


class Fault(msgspec.Struct, frozen=True):
    """Why a server is in error."""

    code: int
    message: str
    created: dt.datetime
    details: str = ""


class Counts(msgspec.Struct, frozen=True):
    """How often each kind of restart was asked for since the server was made."""

    start: int = 0
    soft: int = 0
    hard: int = 0
    nmi: int = 0


class DiskTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """A disk of a server that could not be read or written, as its host tells it; `volume` is None for one of its own."""

    disk: str
    operation: str
    why: str
    at: dt.datetime
    stopped: bool = False
    volume: str | None = None

    @property
    def text(self) -> str:
        """The same in words."""
        verb = "written" if self.operation == "write" else "read"
        then = (
            "The server stands still, and goes on by itself once there is room."
            if self.stopped
            else "The guest was told so by its disk."
        )
        return f"{self.disk[0].upper()}{self.disk[1:]} cannot be {verb}: {self.why}. {then}"


class PowerSeen(msgspec.Struct, frozen=True):
    """The part of a host's report that tells of power and disks; `panicked_at` is when the guest's kernel did, if it stands still since,
    `exit_reason` why it last ended by itself.
    """

    power: str = "absent"
    exit_reason: str | None = None
    panicked_at: dt.datetime | None = None
    disk_errors: tuple[DiskTrouble, ...] = ()


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A server: its row, and below the line what is known of it besides."""

    id: str
    name: str
    description: str | None = None
    hostname: str
    project_id: str
    user_id: str
    reservation_id: str
    launch_index: int = 0
    flavor: Size
    image: BootImage | None
    key: ServerKey | None = None
    user_data: str | None = None
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    hints: dict[str, Any] = {}
    group_id: str | None = None
    security_groups: tuple[str, ...] = ()
    zone_wanted: str | None = None
    host_wanted: str | None = None
    host: str | None = None
    power_wanted: PowerWanted = PowerWanted.ON
    restarts: Counts = Counts()
    broken: bool = False
    fault: Fault | None = None
    phase: ServerState | None = None
    disk_generation: int = 0
    rescue: BootImage | None = None
    resized: Resized | None = None
    shelf: str | None = None  # the image that holds what a shelved server had on its disk
    config_drive: bool = False
    own_disks: tuple[OwnDisk, ...] | None = None  # besides the one it boots from
    certificates: tuple[str, ...] | None = None  # who may have issued that of its image's signature; None: nobody asks
    card_tags: dict[str, str] = {}  # what the user calls the cards at ports, for the guest to know them by
    files: tuple[GivenFile, ...] = ()
    password: str | None = None  # what the guest posted, encrypted with the server's key by the guest
    locked_by: LockedBy | None = None
    locked_reason: str | None = None
    access_ipv4: str | None = None
    access_ipv6: str | None = None
    disk_config: str = "MANUAL"
    created_at: dt.datetime
    updated_at: dt.datetime
    launched_at: dt.datetime | None = None
    deleted_at: dt.datetime | None = None

    host_zone: str | None = None  # the availability zone its host was put in, if it was put in one
    seen: PowerSeen | None = None  # its host's last report
    heard: dt.datetime | None = None  # when its host was last heard
    flow: str | None = None  # the operation under way
    shows: str | None = None  # what that shows
    follows: str | None = None  # the operation that waits for it to turn back: a deletion

    @property
    def subject(self) -> str:
        """The name of the server among the subjects of operations."""
        return subject_of(self.id)

    @property
    def further_disks(self) -> list[OwnDisk]:
        """The disks of its own besides the one it boots from, each with its size."""
        return disks_of(self.own_disks, self.flavor)

    @property
    def volume_backed(self) -> bool:
        """Whether it boots from a volume, so that no disk of its own holds its system."""
        return self.image is None

    @property
    def root_device(self) -> str:
        """What the device it boots from is usually called."""
        image = self.image
        return DRIVES.get(image.drive, USUAL_ROOT) if image is not None and image.is_disc else USUAL_ROOT

    @property
    def resources(self) -> dict[str, int]:
        """The room it takes on a host."""
        return self.resources_of(self.flavor)

    def resources_of(self, size: Size) -> dict[str, int]:
        """The room it would take with that size: a disk that is a volume takes none."""
        return msgspec.structs.replace(size, disk=0).resources if self.volume_backed else size.resources

    @property
    def locked(self) -> bool:
        """Whether only those who may unlock it may change it."""
        return self.locked_by is not None

    @property
    def settled(self) -> ServerState:
        """What the server is as far as its row knows."""
        if self.deleted_at is not None:
            return ServerState.DELETED
        if self.broken:
            return ServerState.ERROR
        if self.launched_at is None:
            return ServerState.BUILDING
        if self.phase is not None:
            return self.phase
        return ServerState.ACTIVE if self.power_wanted is PowerWanted.ON else ServerState.STOPPED

    @property
    def task(self) -> str | None:
        """The task_state."""
        return DELETING if self.follows is not None else self.shows

    @property
    def state(self) -> ServerState:
        """What the server is now: a guest that ended by itself is stopped, before anything else has noticed."""
        settled = self.settled
        if settled is ServerState.ACTIVE and self.flow is None and self.seen is not None and self.seen.power in ENDED:
            return ServerState.STOPPED
        return settled

    @property
    def power(self) -> int:
        """The power_state: 0 unknown, 1 running, 3 paused, 4 shut down, 6 crashed."""
        if self.host is None or self.seen is None:
            return 0
        if self.seen.power == "on" and self.seen.panicked_at is not None:
            return POWER_NUMBERS["crashed"]
        return POWER_NUMBERS.get(self.seen.power, 0)

    @property
    def status(self) -> str:
        """The one word users see."""
        return status_of(self.state, self.task)


DELETING = "deleting"
ENDED = frozenset({"off", "crashed"})
POWER_NUMBERS = {"on": 1, "paused": 3, "off": 4, "suspended": 4, "crashed": 6}
STATUSES = {
    ServerState.BUILDING: "BUILD",
    ServerState.ACTIVE: "ACTIVE",
    ServerState.STOPPED: "SHUTOFF",
    ServerState.PAUSED: "PAUSED",
    ServerState.SUSPENDED: "SUSPENDED",
    ServerState.RESCUED: "RESCUE",
    ServerState.RESIZED: "VERIFY_RESIZE",
    ServerState.SHELVED: "SHELVED",
    ServerState.SHELVED_OFFLOADED: "SHELVED_OFFLOADED",
    ServerState.ERROR: "ERROR",
    ServerState.DELETED: "DELETED",
}
# What is shown while a task is under way, by the states in which it may be; all other tasks show the state's own word.
REBOOTING = {"rebooting": "REBOOT", "rebooting_hard": "HARD_REBOOT"}
REBUILDING = dict.fromkeys(("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"), "REBUILD")
RESIZING = dict.fromkeys(("resize_prep", "resize_migrating", "resize_migrated", "resize_finish"), "RESIZE")
REVERTING = {"resize_reverting": "REVERT_RESIZE"}
MIGRATING = {"migrating": "MIGRATING"}
TASK_STATUSES: dict[ServerState, dict[str, str]] = {
    ServerState.ACTIVE: {**REBOOTING, **REBUILDING, **RESIZING, **MIGRATING},
    ServerState.PAUSED: MIGRATING,
    ServerState.STOPPED: {**REBUILDING, **RESIZING},
    ServerState.ERROR: REBUILDING,
    ServerState.RESIZED: REVERTING,
}
# Words the API knows for servers, whether or not one can be in that state here.
KNOWN_STATUSES = frozenset(
    [
        "ACTIVE",
        "BUILD",
        "DELETED",
        "ERROR",
        "HARD_REBOOT",
        "MIGRATING",
        "PASSWORD",
        "PAUSED",
        "REBOOT",
        "REBUILD",
        "RESCUE",
        "RESIZE",
        "REVERT_RESIZE",
        "SHELVED",
        "SHELVED_OFFLOADED",
        "SHUTOFF",
        "SOFT_DELETED",
        "SUSPENDED",
        "UNKNOWN",
        "VERIFY_RESIZE",
    ]
)
WITH_PROGRESS = frozenset({"ACTIVE", "BUILD", "DELETED"})


def status_of(state: ServerState, task: str | None) -> str:
    """The status that a state and a task make."""
    return TASK_STATUSES.get(state, {}).get(task or "", STATUSES[state])


def subject_of(server_id: str) -> str:
    """The name of a server among the subjects of operations."""
    return f"server:{server_id}"


def host_id(project_id: str, host: str | None) -> str:
    """A name for the host that tells a project's servers apart by host and tells nothing else; empty without host."""
    return hashlib.sha224((project_id + host).encode()).hexdigest() if host else ""


def hostname_of(name: str, server_id: str) -> str:
    """A name fit for DNS, from what the user called the server."""
    plain = re.sub(r"[^a-z0-9-]+", "", re.sub(r"[ _.]", "-", name.strip().lower())).strip("-")[:63].strip("-")
    return plain or f"Server-{server_id}"


def name_of_many(name: str, index: int, count: int) -> str:
    """The name of one of several servers made by one request."""
    return name if count == 1 else f"{name}-{index + 1}"

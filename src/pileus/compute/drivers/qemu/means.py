"""What servers are made with, the same for all of a host."""

from collections.abc import Callable

import msgspec

from pileus.compute.drivers.qemu.accel import Acceleration
from pileus.compute.drivers.qemu.cgroup import Groups
from pileus.compute.drivers.qemu.disks import Disks
from pileus.compute.drivers.qemu.volume_copies import VolumeCopies
from pileus.ports.given_passwords import GivenPasswords
from pileus.ports.plug import Plug
from pileus.ports.server_streams import ServerStreams
from pileus.ports.volume_keys import VolumeKeys


class Means(msgspec.Struct, frozen=True):
    """What servers are made with, the same for all of a host."""

    disks: Disks
    plug: Plug
    accel: Acceleration
    groups: Groups
    changed: Callable[[str], None]
    stop_s: float
    resume_after_reboot: bool
    volume_copies: VolumeCopies
    keys: VolumeKeys | None = None
    streams: ServerStreams | None = None
    passwords: GivenPasswords | None = None

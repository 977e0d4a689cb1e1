"""The command line of QEMU is what is under review in golden/."""

from pathlib import Path

import msgspec
import pytest

from pileus.compute.drivers.interface import Bus, Consoles, Disk, Image, ImageFormat, Nic, Stored, Wanted
from pileus.compute.drivers.qemu.argv import Accel, Descriptors, argv
from pileus.compute.drivers.qemu.cards import placed

GOLDEN = Path(__file__).parent / "golden"
ID = "8c6c5f29-5a1c-4a3a-9d7e-4c6f6f3a2b11"

SMALL = Wanted(
    id=ID,
    name="a, name=with; everything",
    project_id="p",
    vcpus=1,
    ram_mib=128,
    root=Disk(1, Image("i", ImageFormat.RAW)),
    nics=(Nic("port-a", "fa:16:3e:00:00:01", 1442),),
)
LARGE = Wanted(
    id=ID,
    name="large",
    project_id="p",
    vcpus=4,
    ram_mib=8192,
    root=Disk(20, Image("i", ImageFormat.QCOW2)),
    disks=(Disk(5),),
    nics=(Nic("port-a", "fa:16:3e:00:00:01", 1442), Nic("port-b", "fa:16:3e:00:00:02", 1500, "e1000")),
    consoles=Consoles(vnc=False, serial=False),
    cpu_model="Haswell",
)


@pytest.mark.parametrize(
    ("name", "server", "accel", "fds"),
    [
        ("small-tcg", SMALL, "tcg", Descriptors(5, 6, {"port-a": 7})),
        ("large-kvm", LARGE, "kvm", Descriptors(5, None, {"port-a": 7, "port-b": 8})),
    ],
)
def test_is_as_reviewed(name: str, server: Wanted, accel: Accel, fds: Descriptors) -> None:
    words = argv(server, accel, fds, placed(server.nics, {}))
    text = "\n".join(word if word.startswith("-") else f"    {word}" for word in words) + "\n"
    assert (GOLDEN / f"{name}.txt").read_text() == text


def test_holds_nothing_a_user_can_write_freely() -> None:
    """A name could smuggle options in; so it is not there at all."""
    assert not [
        word for word in argv(SMALL, "tcg", Descriptors(5, 6, {"port-a": 7}), {"port-a": 0}) if SMALL.name in word
    ]


@pytest.mark.parametrize(
    ("bus", "devices"),
    [
        (Bus.IDE, ["ide-cd,id=disk0,drive=disk0,bus=ide.0,bootindex=1"]),
        (Bus.SATA, ["ich9-ahci,id=drives0,addr=0xb", "ide-cd,id=disk0,drive=disk0,bus=drives0.0,bootindex=1"]),
        (Bus.SCSI, ["virtio-scsi-pci,id=drives0,addr=0xb", "scsi-cd,id=disk0,drive=disk0,bus=drives0.0,bootindex=1"]),
    ],
)
def test_a_disc_is_in_a_drive_and_booted_from_before_disks(bus: Bus, devices: list[str]) -> None:
    disc = Disk(20, Image("i", ImageFormat.RAW, stored=Stored.ISO, drive=bus))
    server = msgspec.structs.replace(SMALL, root=disc, disks=(Disk(5),))
    words = argv(server, "tcg", Descriptors(5, 6, {"port-a": 7}), {"port-a": 0})
    own = "virtio-blk-pci,id=disk1,drive=disk1,addr=0xc,bootindex=2"
    of_disks = [word for word in words if any(part in word for part in ("id=disk", "id=drives"))]
    assert [*devices, own] == of_disks
    assert (0, 20 << 30) == (disc.octets, disc.room)

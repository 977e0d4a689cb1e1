"""The command line of QEMU for a server: a pure function of what is wanted.

Every path is relative to the server's own directory, where the process starts: an unprivileged QEMU need not be able
to search the directories above, and sockets keep below the 107 bytes a unix address may have. What it may not open
itself (taps, the monitor) it is handed as descriptors.
"""

import json
from collections.abc import Mapping
from typing import Literal

import msgspec

from pileus.compute.drivers.interface import Bus, Disk, Nic, Volume, Wanted
from pileus.compute.drivers.qemu import blocks
from pileus.compute.drivers.qemu.blocks import DISKS_SLOT

Accel = Literal["kvm", "tcg"]

SMALL_MIB = 512
BINARY = "qemu-system-x86_64"
MACHINE = "pc"
CONSOLE_LOG = "console.log"
VNC_SOCKET = "vnc.sock"

# Slots are fixed so that a guest finds its cards where it left them; the first card at 3 gives the usual `ens3`.
VIDEO_SLOT = 2
NICS_SLOT = 3
RNG_SLOT = 29
BALLOON_SLOT = 30
AGENT_SLOT = 31
MAX_NICS = DISKS_SLOT - NICS_SLOT
CONFIG_SLOT = RNG_SLOT - 1
MAX_DISKS = CONFIG_SLOT - DISKS_SLOT - 1  # volumes too, and one more to rescue from
CONFIG_FILE = "config.iso"

NIC_DEVICES = {"virtio": "virtio-net-pci", "e1000": "e1000", "rtl8139": "rtl8139"}

# What a machine needs for drives at a bus that it does not have by itself, and the drive there.
DRIVES = {Bus.SATA: ("ich9-ahci", "ide-cd"), Bus.SCSI: ("virtio-scsi-pci", "scsi-cd")}

# Userspace Open vSwitch does not complete checksums: with offload on, ping works and TCP does not.
OFFLOADS = (
    "csum", "gso", "host_tso4", "host_tso6", "host_ecn", "host_ufo",
    "guest_csum", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo",
)  # fmt: skip


class Descriptors(msgspec.Struct, frozen=True):
    """Numbers of the open files QEMU inherits: listening sockets, a tap for each port, a file for each volume, and its secrets."""

    monitor: int
    serial: int | None
    taps: Mapping[str, int]
    memory: int | None = None
    agent: int | None = None
    volumes: Mapping[str, int] = {}
    secrets: Mapping[str, Mapping[str, int]] = {}

    @property
    def numbers(self) -> list[int]:
        """All of them."""
        each = (self.monitor, self.serial, self.memory, self.agent, *self.taps.values(), *self.volumes.values())
        opened = [fd for found in self.secrets.values() for fd in found.values()]
        return [*(fd for fd in each if fd is not None), *opened]


class DiskFile(msgspec.Struct, frozen=True):
    """A disk of a server as files in its directory: its own, and if it is laid over an image a link to that.

    `at`: its place among the server's disks. `rescues`: it is as large as it needs to be, whatever room the server has.
    """

    file: str
    base: str
    disk: Disk
    at: int
    rescues: bool = False

    @property
    def room(self) -> int:
        """How many bytes its image may have; 0: any number."""
        return 0 if self.rescues else self.disk.room


def disk_files(server: Wanted) -> tuple[DiskFile, ...]:
    """All disks of a server's own, the one it boots from first if that is one of them."""
    of = f"-{server.disk_generation}" if server.disk_generation else ""
    first, later = int(server.root is None), int(server.rescue is not None)
    own = tuple(
        DiskFile(f"disk{at}{of}.qcow2", f"base{at}{of}", disk, at + later)
        for at, disk in enumerate(server.own_disks, first)
    )
    if server.rescue is None:
        return own
    name, size = f"rescue-{server.rescue.id}", server.root.size_gib if server.root is not None else 0
    return (DiskFile(f"{name}.qcow2", f"{name}.base", Disk(size, server.rescue), 0, rescues=True), *own)


def argv(server: Wanted, accel: Accel, fds: Descriptors, slots: Mapping[str, int]) -> list[str]:
    """The whole command line; `slots` says where the card of each port is."""
    arrives = server.arrival is not None
    return [
        BINARY,
        *_machine(server, accel),
        *_monitor(fds.monitor),
        *_serial(fds.serial),
        *_agent(fds.agent),
        *_video(server),
        *(word for nic in server.nics for word in _nic(slots[nic.port_id], nic, fds.taps[nic.port_id])),
        *(word for disk in disk_files(server) for word in _disk(disk)),
        *(word for volume in server.volumes for word in _volume(server, volume, fds)),
        *(_config() if server.config_drive is not None else ()),
        *("-object", "rng-builtin,id=rng0", "-device", f"virtio-rng-pci,rng=rng0,addr={RNG_SLOT:#x}"),
        *("-device", f"virtio-balloon-pci,free-page-reporting=on,addr={BALLOON_SLOT:#x}"),
        *(("-incoming", f"fd:{fds.memory}") if fds.memory is not None else ()),
        *(("-incoming", "defer", "-S") if arrives else ()),
        *("-msg", "timestamp=on"),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
    ]


def _machine(server: Wanted, accel: Accel) -> list[str]:
    # Measured with a guest of 128 MiB: 16 MiB of translated code boot it a fifth slower, more than 32 no faster, and
    # QEMU's own choice would cost as much memory again as the guest has.
    how = "kvm" if accel == "kvm" else f"tcg,thread=multi,tb-size={32 if server.ram_mib <= SMALL_MIB else 64}"
    cpu = server.cpu_model or ("host" if accel == "kvm" else "max")
    smbios = (
        # cloud-init knows an OpenStack guest by this product name.
        "type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova,version=Pileus,family=Virtual Machine"
        f",serial={server.id},uuid={server.id}"
    )
    return [
        *("-name", f"guest=server-{server.id},debug-threads=on", "-uuid", server.id),
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", f"{_machine_type(server)},usb=off,dump-guest-core=off", "-accel", how, "-cpu", cpu),
        *("-smp", f"cpus={server.vcpus},sockets={server.vcpus},cores=1,threads=1", "-m", f"{server.ram_mib}M"),
        *("-rtc", "base=utc,driftfix=slew", "-boot", "strict=on", "-smbios", smbios),
        # A guest that powers off leaves QEMU there, stopped, so that the reason is still known when nobody watched.
        *("-action", "reboot=reset,shutdown=pause,panic=none"),
        # A guest whose kernel panics tells it through this; what it does then is its own affair.
        *("-device", "pvpanic"),
    ]


def _machine_type(server: Wanted) -> str:
    # One that comes from another host stays the machine it is, which may be an earlier one's than is made here.
    return server.arrival.machine or MACHINE if server.arrival is not None else MACHINE


def _monitor(fd: int) -> list[str]:
    return ["-chardev", f"socket,id=monitor,fd={fd},server=on,wait=off", "-mon", "chardev=monitor,mode=control"]


def _serial(fd: int | None) -> list[str]:
    where = f"socket,id=serial0,fd={fd},server=on,wait=off" if fd is not None else "null,id=serial0"
    return [
        *("-chardev", f"{where},logfile={CONSOLE_LOG},logappend=on"),
        *("-device", "isa-serial,chardev=serial0"),
    ]


def _agent(fd: int | None) -> list[str]:
    if fd is None:
        return []
    return [
        *("-chardev", f"socket,id=agent,fd={fd},server=on,wait=off"),
        *("-device", f"virtio-serial-pci,id=channels,addr={AGENT_SLOT:#x}"),
        *("-device", "virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0"),
    ]


def _video(server: Wanted) -> list[str]:
    if not server.consoles.vnc:
        return []
    return ["-device", f"VGA,id=video0,vgamem_mb=8,addr={VIDEO_SLOT:#x}", "-vnc", f"unix:{VNC_SOCKET}"]


def _nic(slot: int, nic: Nic, fd: int) -> list[str]:
    options = nic_options(slot, nic)
    words = [options.pop("driver"), *(f"{name}={_plain(value)}" for name, value in options.items())]
    return ["-netdev", f"tap,id=net{slot},fd={fd},vhost=off", "-device", ",".join(map(str, words))]


def nic_options(slot: int, nic: Nic) -> dict[str, str | int | bool]:
    """A card as QEMU's device_add takes it."""
    options: dict[str, str | int | bool] = {
        "driver": NIC_DEVICES[nic.model],
        "id": f"nic{slot}",
        "netdev": f"net{slot}",
        "mac": nic.mac,
        "addr": f"{NICS_SLOT + slot:#x}",
        "romfile": "",
    }
    if nic.model == "virtio":
        options |= {"host_mtu": nic.mtu, **dict.fromkeys(OFFLOADS, False)}
    return options


def _plain(value: str | int | bool) -> str:  # noqa: FBT001 - any value a device's option may have
    return str(value) if not isinstance(value, bool) else "on" if value else "off"


def _volume(server: Wanted, volume: Volume, fds: Descriptors) -> list[str]:
    chain = blocks.Chain(blocks.slots(server)[volume.key])
    words = []
    if volume.key in fds.volumes:
        words += ["-add-fd", f"set={chain.number},fd={fds.volumes[volume.key]}"]
    for what, fd in fds.secrets.get(volume.key, {}).items():
        words += ["-object", f"secret,id={chain.secret(what)},file=/proc/self/fd/{fd}"]
    group = blocks.limits(volume, chain)
    if group is not None:
        words += ["-object", json.dumps(group)]
    for node in blocks.nodes(volume, chain):
        words += ["-blockdev", json.dumps(node)]
    boots = {"bootindex": chain.slot - DISKS_SLOT + 1} if volume.place == 0 else {}
    return [*words, "-device", json.dumps(blocks.device(volume, chain) | boots)]


def _disk(disk: DiskFile) -> list[str]:
    words: list[str] = []
    base, at = None, disk.at
    image = disk.disk.image
    if image is not None:
        base = f"base{at}"
        words += _blockdev(driver="file", node_name=f"{base}-file", filename=disk.base, read_only=True)
        if image.format == "qcow2":
            # No file an image may name in its header is ever opened.
            words += _blockdev(driver="qcow2", node_name=base, file=f"{base}-file", backing=None, read_only=True)
        else:
            words += _blockdev(driver="raw", node_name=base, file=f"{base}-file", read_only=True)
    name = f"disk{at}"
    words += _blockdev(driver="file", node_name=f"{name}-file", filename=disk.file, discard="unmap")
    words += _blockdev(driver="qcow2", node_name=name, file=f"{name}-file", backing=base, discard="unmap")
    drive = image.drive if image is not None else None
    return [*words, *_device(drive, f"id={name},drive={name}", at, f"addr={DISKS_SLOT + at:#x}")]


def _device(drive: Bus | None, of: str, at: int, slot: str) -> list[str]:
    """The disk as the guest has it; a disc is in a drive, whose bus is at the disk's slot unless the machine has it anyway."""
    boots = f"bootindex={at + 1}"
    if drive is None:
        return ["-device", f"virtio-blk-pci,{of},{slot},{boots}"]
    if drive is Bus.IDE:
        return ["-device", f"ide-cd,{of},bus=ide.{at},{boots}"]
    bus, kind = DRIVES[drive]
    return ["-device", f"{bus},id=drives{at},{slot}", "-device", f"{kind},{of},bus=drives{at}.0,{boots}"]


def _config() -> list[str]:
    """The disc the guest reads what it is from, as a disk: every guest can read those."""
    words = _blockdev(driver="file", node_name="config-file", filename=CONFIG_FILE, read_only=True)
    words += _blockdev(driver="raw", node_name="config", file="config-file", read_only=True)
    return [*words, "-device", f"virtio-blk-pci,id=config,drive=config,addr={CONFIG_SLOT:#x}"]


def _blockdev(**options: str | bool | None) -> list[str]:
    return ["-blockdev", json.dumps({key.replace("_", "-"): value for key, value in options.items()})]

"""The disk image: a master boot record, a FAT partition with boot loader, kernel and initrd, and one to keep things on.

| MBR | 1 MiB: FAT, active: ldlinux.sys, syslinux.cfg, vmlinuz, initrd | ext4 "pileus-data", mounted at /data |
All is written into a plain file, so no loop device, no mount and no root rights are needed.
"""

import os
import struct
from pathlib import Path

from pileus.kit.run import run

# no_timer_check: on an emulated processor that gets no time for a while the kernel's check of its timer fails, and it stops.
KERNEL_ARGS = (
    "console=tty0 console=ttyS0,115200n8 quiet loglevel=4 panic=10 mitigations=off audit=0 net.ifnames=0 no_timer_check"
)

MIB = 1024 * 1024
SECTOR = 512
BOOT_START = MIB
BOOT_SPARE = MIB
DATA_SIZE = 16 * MIB
FAT16_LBA, LINUX = 0x0E, 0x83
ACTIVE = 0x80
BOOT_CODE_SIZE = 440
# Fixed, so that the same parts give the same image.
DISK_ID = 0x50494C45
DATA_ID = "70696c65-7573-4000-8000-646174610001"
WHEN = "1767225600"


async def make(tree: Path, parts: Path, work: Path) -> Path:
    """A qcow2 image that boots `vmlinuz` and `initrd` of the folder `parts`; `tree` lends the boot loader's files."""
    raw, image = work / "guest.raw", work / "guest.qcow2"
    files = (parts / "vmlinuz", parts / "initrd")
    boot_size = _whole_mib(sum(path.stat().st_size for path in files) + BOOT_SPARE)
    data_start = BOOT_START + boot_size
    with raw.open("wb") as disk:
        disk.truncate(data_start + DATA_SIZE)
        disk.write(boot_record((tree / "usr/lib/SYSLINUX/mbr.bin").read_bytes(), boot_size))
    config = work / "syslinux.cfg"
    config.write_text(f"DEFAULT guest\nLABEL guest\n  KERNEL vmlinuz\n  INITRD initrd\n  APPEND {KERNEL_ARGS}\n")
    await _fill_boot(tree, raw, (config, *files), boot_size)
    await _fill_data(tree, raw, data_start)
    await run(["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", str(raw), str(image)], deadline_s=120)
    raw.unlink()
    return image


def boot_record(code: bytes, boot_size: int) -> bytes:
    """The first sector: boot code, and the two partitions."""
    table = _partition(ACTIVE, FAT16_LBA, BOOT_START, boot_size) + _partition(
        0, LINUX, BOOT_START + boot_size, DATA_SIZE
    )
    return (
        code[:BOOT_CODE_SIZE].ljust(BOOT_CODE_SIZE, b"\0")
        + struct.pack("<IH", DISK_ID, 0)
        + table.ljust(64, b"\0")
        + b"\x55\xaa"
    )


def _partition(flag: int, kind: int, start: int, size: int) -> bytes:
    beyond_cylinders = b"\xfe\xff\xff"
    return struct.pack("<B3sB3sII", flag, beyond_cylinders, kind, beyond_cylinders, start // SECTOR, size // SECTOR)


def _whole_mib(size: int) -> int:
    return -(-size // MIB) * MIB


def _environment(tree: Path) -> dict[str, str]:
    # syslinux calls mtools by name; mke2fs lives where an ordinary user's PATH does not look.
    path = f"{tree / 'usr/bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
    return {"PATH": path, "SOURCE_DATE_EPOCH": WHEN, "E2FSPROGS_FAKE_TIME": WHEN, "MTOOLS_SKIP_CHECK": "1", "TZ": "UTC"}


async def _fill_boot(tree: Path, raw: Path, files: tuple[Path, ...], size: int) -> None:
    env = _environment(tree)
    drive = f"{raw}@@{BOOT_START}"
    sectors = size // SECTOR
    heads, per_track = 64, 32
    form = ["mformat", "-i", drive, "-T", str(sectors), "-h", str(heads), "-s", str(per_track)]
    await run([*form, "-H", str(BOOT_START // SECTOR), "-N", f"{DISK_ID:08x}", "-v", "PILEUS", "::"], env=env)
    await run(["syslinux", "--offset", str(BOOT_START), "--install", str(raw)], env=env)
    await run(["mcopy", "-i", drive, *map(str, files), "::/"], env=env)


async def _fill_data(tree: Path, raw: Path, start: int) -> None:
    options = f"offset={start},hash_seed={DATA_ID},lazy_itable_init=0,root_owner=0:0"
    make = ["mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-J", "size=1", "-L", "pileus-data", "-U", DATA_ID]
    await run([*make, "-E", options, str(raw), f"{DATA_SIZE // 1024}k"], env=_environment(tree))

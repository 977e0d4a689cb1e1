"""Debian packages as raw material: fetched and unpacked into a folder, never installed on this machine.

apt checks their signatures; dpkg-deb unpacks them. No root rights are needed.
"""

import re
from pathlib import Path

import msgspec

from pileus.kit.run import ProgramFailed, run

FETCH_S = 300.0
UNPACK_S = 120.0

KERNEL = "linux-image-cloud-amd64"
SYSTEM = ("busybox-static", "dropbear-bin", "libc6", "libcrypt1", "libtomcrypt1", "libtommath1", "libgmp10", "zlib1g")
BOOT_LOADER = ("syslinux", "syslinux-common", "mtools")


class Kernel(msgspec.Struct, frozen=True):
    """The kernel the distribution offers now: its package, and the release it calls itself."""

    package: str
    release: str


async def kernel_offered() -> Kernel:
    """The cloud kernel apt would install; raises ProgramFailed if apt knows none."""
    shown = await run(["apt-cache", "show", "--no-all-versions", KERNEL])
    found = re.search(r"^Depends:.*\b(linux-image-(\S+-cloud-amd64))\b", shown.out, re.MULTILINE)
    if found is None:
        raise ProgramFailed(["apt-cache", "show", KERNEL], f"it names no kernel package: {shown.out.strip()[:200]}")
    return Kernel(found[1], found[2])


async def unpack(kernel: Kernel, work: Path) -> Path:
    """A folder below `work` that holds the kernel, the system's and the boot loader's files."""
    archives, root = work / "packages", work / "root"
    archives.mkdir()
    root.mkdir()
    # apt's own user could not write into a folder of ours.
    fetch = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", kernel.package, *SYSTEM, *BOOT_LOADER]
    await run(fetch, cwd=archives, deadline_s=FETCH_S)
    for package in sorted(archives.glob("*.deb")):
        await run(["dpkg-deb", "-x", str(package), str(root)], deadline_s=UNPACK_S)
        package.unlink()
    return root


async def refresh() -> None:
    """apt knows what is offered today; needs root."""
    await run(["apt-get", "update", "-q"], deadline_s=FETCH_S)

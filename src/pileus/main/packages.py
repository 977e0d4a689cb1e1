"""Programs from the distribution: what the cloud needs, what is missing, and how it gets installed.

A package counts as present when the file it is needed for exists, so programs installed by other means serve too.
While packages are installed, the distribution's own Open vSwitch and OVN services are kept from starting: Pileus runs
its own daemons, in its state directory.
"""

import asyncio
import contextlib
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from pileus.kit.errors import Problem
from pileus.kit.run import Finished, ProgramFailed, run

SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"])
LISTS = Path("/var/lib/apt/lists")
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# Put here by pileus while it installs packages.\nexit 101\n"
LISTS_FRESH_S = 86_400
APT_DEADLINE_S = 1_800


class Program(msgspec.Struct, frozen=True):
    """Something the cloud needs: the Debian package, and a program (or an absolute path) that shows it is there."""

    package: str
    probe: str

    def is_present(self) -> bool:
        """Whether this machine has it."""
        if self.probe.startswith("/"):
            return Path(self.probe).exists()
        return shutil.which(self.probe, path=SEARCHED) is not None


COMPUTE = (
    Program("qemu-system-x86", "qemu-system-x86_64"),
    Program("qemu-utils", "qemu-img"),
    Program("iproute2", "ip"),
    # Disks of servers that begin with a file system.
    Program("dosfstools", "mkfs.vfat"),
    Program("xfsprogs", "mkfs.xfs"),
)
NETWORK = (
    Program("openvswitch-switch", "ovs-vswitchd"),
    Program("ovn-central", "ovn-northd"),
    Program("ovn-host", "ovn-controller"),
    Program("iproute2", "ip"),
    Program("nftables", "nft"),
    Program("ethtool", "ethtool"),
)
IMAGE = (
    # The dynamic busybox has the same path, and cannot run in an initramfs: ask for the package itself.
    Program("busybox-static", "/var/lib/dpkg/info/busybox-static.list"),
    Program("cpio", "cpio"),
    Program("kmod", "depmod"),
    Program("zstd", "zstd"),
    Program("xz-utils", "xz"),
)
CEPH = (Program("ceph-common", "rbd"),)  # for volumes in a pool of Ceph
CLOUD = (*COMPUTE, *NETWORK, *IMAGE)
TESTS = (
    Program("slapd", "slapd"),
    Program("ldap-utils", "ldapmodify"),
    *CLOUD,
    Program("openssh-client", "ssh"),
    Program("postgresql", "/usr/lib/postgresql/15/bin/postgres"),
    Program("rclone", "rclone"),
    Program("s3cmd", "s3cmd"),
    Program("restic", "restic"),
    Program("awscli", "/usr/bin/aws"),
    Program("python3-openstackclient", "/usr/bin/openstack"),  # the oldest client that is supported, with its SDK
)
# A cluster to test against: only the long tests start one.
LONG_TESTS = (
    *CEPH,
    Program("ceph-mon", "ceph-mon"),
    Program("ceph-osd", "ceph-osd"),
    Program("qemu-block-extra", "/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so"),
)


class CannotInstall(Problem):
    """These programs are missing and cannot be installed from here ({why}). As root, run: {command}"""


class InstallFailed(Problem):
    """The distribution's packages could not be installed: {why}"""


def missing(programs: Iterable[Program]) -> list[str]:
    """The packages that have to be installed, each once, in the order asked for."""
    return list(dict.fromkeys(program.package for program in programs if not program.is_present()))


def install(packages: Iterable[str], say: Callable[[str], None] = print) -> None:
    """The packages are installed; raises CannotInstall or InstallFailed. Must not be called from an event loop."""
    names = list(packages)
    if names:
        _may_install(names)
        say(f"Installing from the distribution: {' '.join(names)} ...")
        asyncio.run(_install(names))


def ensure(programs: Iterable[Program], say: Callable[[str], None] = print) -> None:
    """Every program is there, installed now if it was not."""
    install(missing(programs), say)


def _may_install(names: list[str]) -> None:
    command = shlex.join(["apt-get", "install", *names])
    if shutil.which("apt-get", path=SEARCHED) is None:
        raise CannotInstall(why="this is not a Debian system", command=command)
    if os.geteuid() != 0:
        raise CannotInstall(why="only root may install packages", command=command)


async def _install(names: list[str]) -> None:
    with _services_kept_down():
        try:
            updated = not _lists_are_fresh()
            if updated:
                await _apt("update")
            done = await _apt("install", "-y", "--no-install-recommends", *names, check=updated)
            if done.code != 0:  # lists may name versions the archive no longer has
                await _apt("update")
                await _apt("install", "-y", "--no-install-recommends", *names)
        except ProgramFailed as failed:
            raise InstallFailed(why=failed.why) from failed


async def _apt(*args: str, check: bool = True) -> Finished:
    argv = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *args]
    env = {"DEBIAN_FRONTEND": "noninteractive", "PATH": SEARCHED}
    return await run(argv, deadline_s=APT_DEADLINE_S, env=env, check=check)


def _lists_are_fresh() -> bool:
    """Whether the package lists are there and not older than a day."""
    times = [path.stat().st_mtime for path in LISTS.glob("*_Packages*")]
    newest = max([*times, LISTS.stat().st_mtime]) if times else 0.0
    return time.time() - newest < LISTS_FRESH_S


@contextlib.contextmanager
def _services_kept_down(policy: Path = POLICY) -> Iterator[None]:
    """While inside, installing a package starts no service; a rule the operator has made himself is left alone."""
    ours = not policy.exists() or policy.read_text(errors="replace") == POLICY_TEXT
    if ours:
        policy.write_text(POLICY_TEXT)
        policy.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            policy.unlink(missing_ok=True)

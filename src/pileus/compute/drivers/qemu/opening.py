"""What QEMU is handed to reach a volume's bytes: its open file, and what opens it.

Keys go to QEMU as files without names that only it is given, or over its monitor, never as an argument, in an environment or onto
a disk; QEMU forgets them as soon as the volume is open.
"""

import asyncio
import base64
import contextlib
import os
from collections.abc import AsyncIterator, Mapping

import msgspec

from pileus.compute.drivers.interface import Cluster, DriverError, Volume
from pileus.compute.drivers.qemu.blocks import CEPH, LUKS, Chain, conf_file, is_device, secrets
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.kit.errors import Problem
from pileus.kit.run import ProgramFailed, run
from pileus.ports.volume_keys import VolumeKeys

CEPH_S = 30.0
SAID = ("mon_host", "fsid", "auth_client_required", "ms_client_mode")  # what a client has to know of a cluster


class Opened(msgspec.Struct):
    """An open volume: the number of its file, if it is one, and its secrets."""

    file: int | None
    secrets: Mapping[str, bytes]


async def opened(
    volume: Volume, chain: Chain, home: Home, keys: VolumeKeys | None, ours: contextlib.ExitStack
) -> Opened:
    """What QEMU needs for the volume; its file is closed with `ours`. Raises DriverError."""
    found = {what: await _secret(volume, what, keys) for what in secrets(volume)}
    if volume.kind == "rbd" and volume.cluster is not None:
        await _describe(volume.cluster, home, conf_file(chain))
        return Opened(None, found)
    file = _open_file(volume)
    ours.callback(os.close, file)
    return Opened(file, found)


def _open_file(volume: Volume) -> int:
    if volume.kind != "file":
        raise DriverError(
            f"Volume {volume.id} cannot be attached here",
            f"QEMU is given files and Ceph's images, and it is {volume.kind}",
        )
    flags = os.O_RDONLY if volume.readonly else os.O_RDWR
    # Names of devices are links that the system makes; in a folder of files there are none.
    links = 0 if is_device(volume) else os.O_NOFOLLOW
    try:
        return os.open(volume.path, flags | links | os.O_CLOEXEC)
    except OSError as failed:
        raise DriverError(f"Volume {volume.id} cannot be opened", f"{volume.path}: {failed.strerror}") from failed


async def _secret(volume: Volume, what: str, keys: VolumeKeys | None) -> bytes:
    if what == CEPH and volume.cluster is not None:
        return await _ceph_key(volume.cluster)
    assert what == LUKS, "there are no other secrets"
    if keys is None:
        raise DriverError(f"Volume {volume.id} cannot be opened", "nothing gives keys to this host")
    try:
        return await keys.fetch(volume.id)
    except Problem as refused:
        raise DriverError(f"Volume {volume.id} cannot be opened", refused.message) from refused


async def _ceph_key(cluster: Cluster) -> bytes:
    name = f"client.{cluster.user}"
    ring = await _ceph("ceph-conf", "-c", cluster.conf, "-n", name, "--lookup", "keyring")
    for file in ring.strip().split(","):
        if await asyncio.to_thread(os.path.exists, file.strip()):
            # QEMU takes the key itself, and writes it in Ceph's letters again.
            return base64.b64decode(await _ceph("ceph-authtool", file.strip(), "-n", name, "--print-key"))
    raise DriverError("Ceph cannot be asked", f"there is no keyring of {name}: {ring.strip()}")


async def _describe(cluster: Cluster, home: Home, file: str) -> None:
    """The server's own directory tells where the cluster is: QEMU may not read the host's configuration."""
    lines = ["[global]"]
    for name in SAID:
        with contextlib.suppress(DriverError):  # It does not say.
            lines.append(f"{name} = {(await _ceph('ceph-conf', '-c', cluster.conf, '--lookup', name)).strip()}")
    await asyncio.to_thread(_write, home, file, "\n".join([*lines, ""]))


def _write(home: Home, file: str, text: str) -> None:
    path = home.guest / file
    path.unlink(missing_ok=True)
    # Never through a link that a guest's user may have put there.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444)
    with os.fdopen(handle, "w") as out:
        out.write(text)


async def _ceph(*words: str) -> str:
    try:
        return (await run(list(words), deadline_s=CEPH_S)).out
    except ProgramFailed as failed:
        raise DriverError("Ceph cannot be asked", failed.why) from failed


def secret_file(secret: bytes) -> int:
    """A file without a name that holds it, for a QEMU that is about to start; whoever asks closes it."""
    file = os.memfd_create("secret", os.MFD_CLOEXEC)
    os.write(file, secret)
    os.fchmod(file, 0o444)  # QEMU, another user, opens it by the number that it inherits.
    return file


@contextlib.asynccontextmanager
async def told(monitor: Monitor, chain: Chain, found: Mapping[str, bytes]) -> AsyncIterator[None]:
    """QEMU knows the secrets while the block lasts."""
    try:
        for what, secret in found.items():
            text = base64.b64encode(secret).decode()
            await monitor.execute(
                "object-add", **{"qom-type": "secret", "id": chain.secret(what), "data": text, "format": "base64"}
            )
        yield
    finally:
        await forget(monitor, chain)


async def forget(monitor: Monitor, chain: Chain) -> None:
    """QEMU does not know what opened the volume; once it is open that is not needed."""
    for what in (CEPH, LUKS):
        with contextlib.suppress(DriverError):  # There is one only where it was needed.
            await monitor.execute("object-del", id=chain.secret(what))

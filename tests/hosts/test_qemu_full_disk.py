"""The file system that keeps a volume is full (FLT-020): the guest stands still, who reads of the server or of the volume is told why,
and it goes on by itself once there is room, with every byte, or when its owner says so."""

import hashlib
import os
from pathlib import Path

import pytest
from tests.clients.cloud import until
from tests.hosts.volume_scene import LONG_S, MIB, UNTIL, Server, Shell, a_site, file_system

pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(900), pytest.mark.filterwarnings("default")]

DISK, BYTES = "/dev/vdb", "/tmp/bytes"
LEFT = 3 * MIB  # less than is written
RUNNING, STANDING = 1, 3
WHY = "No space left on device"


def filled(folder: Path) -> Path:
    """What takes all the room but a little."""
    room, ballast = os.statvfs(folder), folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - LEFT)
    return ballast


def digest(file: Path, mib: int) -> str:
    """Of what the guest has written there, as the host has it."""
    with file.open("rb") as content:
        content.seek(mib * MIB)
        return hashlib.md5(content.read(8 * MIB)).hexdigest()


def powered(server: Server, power: int) -> None:
    """The server runs, or stands still."""
    until(
        lambda: server.show()["OS-EXT-STS:power_state"] == power, f"its power is {power}: {server.show()}", LONG_S, 0.3
    )


def writes(it: Shell, mib: int) -> None:
    """The guest writes what it has to its disk, in the background."""
    copy = f"dd if={BYTES} of={DISK} bs=1M seek={mib} conv=notrunc,fsync 2>/dev/null"
    it.say(f"rm -f /tmp/done; ({copy}; echo > /tmp/done) & sleep 0")


def test_a_guest_waits_for_room_and_loses_nothing(tmp_path: Path) -> None:
    with file_system(tmp_path / "small", "mkfs.ext4 -q -m 0", 1500) as folder, a_site({"file": folder}) as site:
        volume, server = site.make("volume", size=1), site.boot()
        server.attach(volume)
        pid = server.pid
        with server.shell() as it:
            it.sees(DISK)
            held = it.written(BYTES)
            ballast = filled(folder)
            writes(it, 0)
            powered(server, STANDING)
            (told,) = until(lambda: site.why(volume), "the volume's messages say why", LONG_S, 0.3) or [""]
            assert WHY in told
            assert server.id in told
            assert [WHY in each["message"] for each in server.story() if each["action"] == "disk_failed"] == [True]
            ballast.unlink()
            powered(server, RUNNING)
            it.say(f"{UNTIL} [ -e /tmp/done ]")
            assert held == it.read(DISK)
            ballast = filled(folder)
            writes(it, 100)
            powered(server, STANDING)
        # It stands still whoever looks after it, and for as long as its owner likes.
        site.cloud.kill9()
        site.cloud.up()
        powered(server, STANDING)
        server.act(pause=None)
        server.until("PAUSED")
        ballast.unlink()
        server.act(unpause=None)
        server.until("ACTIVE")
        powered(server, RUNNING)
        file = site.file(volume)
        until(lambda: digest(file, 100) == held, "what it waited with is there", LONG_S, 0.3)
        assert digest(file, 0) == held
        assert pid == server.pid
        assert [told] == site.why(volume), "it is the same trouble"

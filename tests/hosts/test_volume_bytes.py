"""What a guest wrote on a volume is on it whatever the cloud then does with it, asked for by the public API, with real QEMU:
moved between file systems while it writes, copied, backed up, and after its host lost its power (FLT-004, FLT-031)."""

import hashlib
from pathlib import Path

import pytest
from tests.hosts.volume_scene import MIB, Server, Shell, Site, a_site, file_system

pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(1800), pytest.mark.filterwarnings("default")]

DISK, SECOND = "/dev/vdb", "/dev/vdc"
# A number counts up at both ends of the disk; whatever happens, both are the same, or the first is one ahead.
COUNT = (
    "(n=0; while [ ! -e /tmp/enough ]; do n=$((n+1)); for at in 900 1000; do printf %08d $n | "
    f"dd of={DISK} bs=1M seek=$at conv=notrunc,fsync 2>/dev/null; done; done) & sleep 1"
)
Written = dict[int, str]


def told_by(file: Path, written: Written) -> Written:
    """The digests of what a file holds at those places."""
    found = {}
    with file.open("rb") as source:
        for at in written:
            source.seek(at * MIB)
            found[at] = hashlib.md5(source.read(8 * MIB), usedforsecurity=False).hexdigest()
    return found


def counted(file: Path) -> list[int]:
    with file.open("rb") as source:
        return [int(source.read(8)) for at in (900, 1000) if source.seek(at * MIB)]


def read(it: Shell, written: Written, disk: str = DISK) -> Written:
    return {at: it.read(disk, at) for at in written}


def test_bytes_of_a_guest_are_the_same_wherever_its_volume_went(tmp_path: Path) -> None:
    with file_system(tmp_path / "ext4", "mkfs.ext4 -q", 3072) as ext4, file_system(tmp_path / "xfs", "mkfs.xfs -q", 3072) as xfs:  # fmt: skip
        with a_site({"slow": ext4, "quick": xfs}) as site:
            volume = site.make("volume", size=1, volume_type="slow")
            server = site.boot()
            server.attach(volume)
            with server.shell() as it:
                it.sees(DISK)
                written = {0: it.written(DISK, 0)}
                it.say(COUNT)
                _goes_to(site, volume, "quick", it, written)
                _comes_back(site, volume, it, written)
                it.say("touch /tmp/enough; wait")
                copies = _copied(site, volume, it, written) | _backed_up(site, volume, it, written)
                _are_seen(server, it, copies)
                written[300] = it.written(DISK, 300)
            _survives_its_host(site, server, volume, written)


def _goes_to(site: Site, volume: str, type: str, it: Shell, written: Written) -> None:
    """Retyped while the guest writes, with the move that takes."""
    site.act("volume", volume, "os-retype", new_type=type, migration_policy="on-demand")
    shown = site.until("volume", volume, "in-use", volume_type=type, migration_status="success")
    assert shown["os-vol-host-attr:host"].endswith(f"@{type}#{type}")
    assert (written, 1) == (read(it, written), len(shown["attachments"]))
    written[100] = it.written(DISK, 100)


def _comes_back(site: Site, volume: str, it: Shell, written: Written) -> None:
    """Migrated while the guest writes; nothing is left where it was."""
    site.ask("POST", "/volume/v3/types", {"volume_type": {"name": "anywhere"}})
    site.act("volume", volume, "os-retype", new_type="anywhere", migration_policy="never")
    site.until("volume", volume, "in-use", volume_type="anywhere")
    here = site.show("volume", volume)["os-vol-host-attr:host"]
    there = here.replace("quick", "slow")
    before = site.file(volume)
    site.act("volume", volume, "os-migrate_volume", host=there)
    site.until("volume", volume, "in-use", **{"os-vol-host-attr:host": there, "migration_status": "success"})
    assert written == read(it, written)
    assert before != site.file(volume)
    assert not before.exists()


def _copied(site: Site, volume: str, it: Shell, written: Written) -> dict[str, Written]:
    """A snapshot, volumes of it on both file systems, and one of the volume itself; all without what came later."""
    snapshot = site.make("snapshot", volume_id=volume, force=True)
    clone = site.make("volume", size=1, source_volid=volume)
    before = dict(written)
    written[200] = it.written(DISK, 200)
    made = site.make("volume", size=1, snapshot_id=snapshot)
    for copy in (made, clone):
        assert before == told_by(site.file(copy), before)
        assert written != told_by(site.file(copy), written)
        first, second = counted(site.file(copy))
        assert 0 <= first - second <= 1
    return {made: before}


def _backed_up(site: Site, volume: str, it: Shell, written: Written) -> dict[str, Written]:
    """A full backup and one of what changed since, each restored."""
    full = site.make("backup", volume_id=volume, force=True)
    before = dict(written)
    written[200] = it.written(DISK, 200)
    more = site.make("backup", volume_id=volume, force=True, incremental=True)
    assert site.show("backup", more)["is_incremental"]
    restored: dict[str, Written] = {}
    for backup, held in ((full, before), (more, dict(written))):
        about = {"restore": {"name": "restored"}}
        made = site.ask("POST", f"/volume/v3/backups/{backup}/restore", about)["restore"]["volume_id"]
        site.until("volume", made, "available")
        assert held == told_by(site.file(made), held)
        restored[made] = held
    assert before[200] != written[200]
    return {made: written}


def _are_seen(server: Server, it: Shell, copies: dict[str, Written]) -> None:
    """The guest finds in each copy what it is to hold."""
    for copy, held in copies.items():
        server.attach(copy)
        it.sees(SECOND)
        assert held == read(it, held, SECOND)
        server.detach(copy)


def _survives_its_host(site: Site, server: Server, volume: str, written: Written) -> None:
    """The host loses its power; what the guest was told is on the disk is there when it starts again."""
    attached = site.show("volume", volume)["attachments"]
    site.lose_power()
    site.cloud.up()
    server.until("SHUTOFF")
    assert written == told_by(site.file(volume), written)
    server.act(os_start=None)
    server.until("ACTIVE")
    assert [volume] == server.volumes()
    assert attached == site.until("volume", volume, "in-use")["attachments"]
    with server.shell() as it:
        it.sees(DISK)
        assert written == read(it, written)

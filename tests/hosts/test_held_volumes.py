"""Two hosts that share a directory of volumes, by the public API: one keeps a volume, a real guest on the other writes to it, and what
is copied of it meanwhile is what the guest wrote."""

import hashlib
from pathlib import Path

import pytest
from tests.clients.cloud import running_cloud, until
from tests.hosts.joined import machine
from tests.hosts.volume_scene import DRIVERS, LONG_S, MIB, Site

pytestmark = [pytest.mark.host, pytest.mark.scale, pytest.mark.timeout(1800), pytest.mark.filterwarnings("default")]

DISK = "/dev/vdb"


def test_copies_of_a_volume_are_made_by_the_host_whose_server_has_it(tmp_path: Path) -> None:
    shared, options = tmp_path / "shared", tmp_path / "options.toml"
    shared.mkdir()
    (shared / ".pileus-volumes").write_text("one-store")
    options.write_text(f'[volume_backends.shared]\ndriver = "shared"\npath = "{shared}"\n')
    with running_cloud(*DRIVERS, "--config", str(options)) as cloud, machine(cloud, "b") as host:
        (host.path / "config.toml").write_text(options.read_text())
        host.join()
        site = Site(cloud, [])
        until(lambda: len(pools(site)) == 2, "both hosts have the directory", LONG_S, 1)
        volume = site.make("volume", size=1)
        keeper = site.show("volume", volume)["os-vol-host-attr:host"].partition("@")[0]
        (other,) = {pool.partition("@")[0] for pool in pools(site)} - {keeper}
        server = site.boot(availability_zone=f"nova:{other}")
        server.attach(volume)
        with server.shell() as it:
            it.sees(DISK)
            written = it.written(DISK)
            snapshot = site.make("snapshot", volume_id=volume, force=True)
            backup = site.make("backup", volume_id=volume, force=True)
            copies = {
                "clone": site.make("volume", size=1, source_volid=volume),
                "snapshot": site.make("volume", size=1, snapshot_id=snapshot),
                "backup": site.make("volume", size=1, backup_id=backup),
            }
            assert written == it.read(DISK)
        for what, copy in copies.items():
            (file,) = shared.glob(f"hosts/*/volume/{copy}/0.raw")
            with file.open("rb") as disk:
                assert written == hashlib.md5(disk.read(8 * MIB), usedforsecurity=False).hexdigest(), what
        print(f"{keeper} keeps a volume that a server on {other} has: {', '.join(copies)} hold what the guest wrote")
        server.delete()
        host.destroy()


def pools(site: Site) -> list[str]:
    found = site.ask("GET", "/volume/v3/scheduler-stats/get_pools")["pools"]
    return [str(each["name"]) for each in found if "@shared" in each["name"]]

"""The `openstack` command makes volumes of files, copies them, and what was written on one is on its copies."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.cloud import RunningCloud, running_cloud, until

from pileus.block_storage.drivers.backup_chunks import CHUNK
from pileus.block_storage.drivers.backup_files import Backups
from pileus.block_storage.drivers.backup_swift import Account, SwiftChunks
from pileus.block_storage.drivers.interface import Backup, Origin

pytestmark = [pytest.mark.client, pytest.mark.timeout(600), pytest.mark.filterwarnings("default::ResourceWarning")]


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    """A cloud with pretended servers and real files for volumes, whose backups are in its object storage."""
    backups = '[volume_backups]\ndriver = "objects"\n'
    with running_cloud("--compute", "fake", "--network", "fake", "--volumes", "file", config=backups) as made:
        yield made


def made(cloud: RunningCloud, line: str, what: str = "volume") -> str:
    """The id of what a command makes, once it is available."""
    id = str(cloud.openstack(line)["id"])
    until(lambda: cloud.openstack(f"{what} show {id}")["status"] == "available", f"{what} {id} is available")
    return id


def file_of(cloud: RunningCloud, volume: str) -> Path:
    """Where a volume's bytes are."""
    (file,) = (cloud.path / "volumes" / "volume" / volume).glob("*.raw")
    return file


def test_volumes_are_made_copied_backed_up_and_deleted(cloud: RunningCloud) -> None:
    first = made(cloud, "volume create --size 1 first")
    with file_of(cloud, first).open("r+b") as disk:
        disk.write(b"precious")
    taken = made(cloud, "volume snapshot create --volume first taken", "volume snapshot")
    second = made(cloud, f"volume create --snapshot {taken} --size 2 second")
    assert 2 * 2**30 == file_of(cloud, second).stat().st_size
    backup = made(cloud, "volume backup create --name kept first", "volume backup")
    cloud.openstack(f"volume backup restore {backup} third")
    third = str(cloud.openstack("volume show third")["id"])
    until(lambda: cloud.openstack(f"volume show {third}")["status"] == "available", "the backup is restored")
    for volume in (first, second, third):
        with file_of(cloud, volume).open("rb") as disk:
            assert b"precious" == disk.read(8)
    shown = cloud.openstack(f"volume backup show {backup}")
    assert 1 == shown["object_count"]
    assert ["index.json"] == [path.name for path in (cloud.path / "volumes" / "volume_backup" / backup).iterdir()]
    complaint = cloud.openstack("volume delete first", fails=True)
    assert "snapshots" in complaint
    cloud.openstack(f"volume backup delete {backup}")
    cloud.openstack(f"volume snapshot delete {taken}")
    until(lambda: cloud.openstack("volume snapshot list") == [], "the snapshot is deleted")
    cloud.openstack(f"volume delete {first} {second} {third}")
    until(lambda: cloud.openstack("volume list") == [], "the volumes are deleted")
    assert [] == list((cloud.path / "volumes" / "volume").glob("*"))


async def test_another_cloud_keeps_backups_in_this_one(cloud: RunningCloud, tmp_path: Path) -> None:
    asks = cloud.environment("demo")
    (tmp_path / "password").write_text(asks["OS_PASSWORD"])
    account = Account(auth_url=asks["OS_AUTH_URL"], username=asks["OS_USERNAME"], project=asks["OS_PROJECT_NAME"],
                      password_file=str(tmp_path / "password"), region=asks["OS_REGION_NAME"])  # fmt: skip
    disk, back = tmp_path / "disk", tmp_path / "back"
    with disk.open("wb") as out:
        out.truncate(9 * CHUNK)
        for at in (0, 3, 8):
            out.seek(at * CHUNK)
            out.write(b"precious")
    one, other = (Backups(tmp_path / name, SwiftChunks(account)) for name in ("one", "other"))
    full = Backup(id="full", backend="b", of=Origin(kind="volume", id="v"), compression="zstd")
    await one.write(full, disk)
    assert 4 == len(cloud.openstack("object list volume_backups"))
    await other.restore("full", back)
    assert back.read_bytes() == disk.read_bytes()
    await one.remove("full")
    assert [] == cloud.openstack("object list volume_backups")


def test_servers_get_volumes_lose_them_and_boot_from_them(cloud: RunningCloud) -> None:
    image = cloud.path / "tiny.img"
    image.write_bytes(bytes(512))
    cloud.openstack(f"image create --disk-format raw --container-format bare --file {image} tiny")
    cloud.openstack("server create --image tiny --flavor m1.nano --nic none --wait one")
    data = made(cloud, "volume create --size 1 data")
    cloud.openstack("server add volume one data --device /dev/vdc --tag disk --enable-delete-on-termination")
    until(lambda: cloud.openstack("volume show data")["status"] == "in-use", "the volume is attached")
    (attached,) = cloud.openstack("server volume list one")
    assert ("/dev/vdc", data) == (attached["Device"], attached["Volume ID"])
    assert "400" in str(cloud.openstack("volume delete data", fails=True))
    cloud.openstack("server volume update one data --preserve-on-termination")
    cloud.openstack("server remove volume one data")
    until(lambda: cloud.openstack("volume show data")["status"] == "available", "the volume is detached")
    whole = made(cloud, "volume create --image tiny --size 1 whole")
    servers = {
        "two": f"--volume {whole}",
        "three": "--image tiny --boot-from-volume 1",
        "four": f"--image tiny --block-device uuid={data},source_type=volume,destination_type=volume",
    }
    for name, how in servers.items():
        cloud.openstack(f"server create {how} --flavor m1.nano --nic none --wait {name}")
        assert 1 == len(cloud.openstack(f"server volume list {name}")), name
    cloud.openstack(f"server delete --wait one {' '.join(servers)}")
    left = cloud.openstack("volume list")
    assert {"available"} == {volume["Status"] for volume in left}
    cloud.openstack(f"volume delete {' '.join(volume['ID'] for volume in left)}")
    until(lambda: cloud.openstack("volume list") == [], "the volumes are deleted")

"""Images, their members, imports, stores and definitions of metadata by the newest `openstack` command; servers of volumes."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.cloud import RunningCloud, running_cloud
from tests.clients.walk import Walk

pytestmark = [pytest.mark.client, pytest.mark.timeout(900), pytest.mark.filterwarnings("default::ResourceWarning")]

STORES = """[image.stores.file]
kind = "file"
path = "images"
[image.stores.second]
kind = "file"
path = "second"
[image]
cache_size = 1073741824
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with running_cloud("--compute", "fake", "--network", "fake", config=STORES) as made:
        yield made


@pytest.fixture
def walk(cloud: RunningCloud) -> Walk:
    cloud.use(sys.executable)
    return Walk(cloud)


def disk(folder: Path) -> Path:
    """A small raw image."""
    file = folder / "disk.raw"
    file.write_bytes(b"precious" * 64)
    return file


def test_images_are_made_changed_shared_and_deleted(walk: Walk, tmp_path: Path) -> None:
    kind = "--disk-format raw --container-format bare"
    options = f"{kind} --min-disk 1 --tag t --property hw_disk_bus=virtio --protected --private"
    made = walk(f"image create {options} --file {disk(tmp_path)} tiny", status="active", min_disk=1, protected=True)
    walk.ids["tiny"] = made["id"]
    walk("image create --public x", fails="Policy doesn't allow publicize_image")
    walk(f"image create --disk-format qcow2 --file {disk(tmp_path)} liar", fails="should be qcow2, and is not")
    walk("image set --name small --property os_distro=debian --unprotected --shared tiny")
    walk("image show small", status="active", protected=False, visibility="shared", size=512)
    walk("image set --property checksum=a small", fails="read-only")
    walk("image set --disk-format qcow2 small", fails="disk_format")
    walk("image unset --tag t --property hw_disk_bus small")
    for chosen in (
        "--property os_distro=debian",
        "--name small",
        "--shared",
        "--status active",
        "--tag none",
        "--hidden",
    ):
        assert ([] if chosen in {"--tag none", "--hidden"} else ["small"]) == walk.names(f"image list {chosen}")
    walk(f"image save --file {tmp_path / 'back'} small")
    assert (tmp_path / "back").read_bytes() == disk(tmp_path).read_bytes()
    walk("image set --deactivate small")
    walk("image show small", status="deactivated")
    walk("image set --activate small")
    other = walk("token issue", as_="admin")["project_id"]
    walk(f"image add project small {other}")
    walk(f"image add project small {other}", fails="already")
    walk("image set --accept {tiny}", as_="admin")
    (member,) = walk("image member list small")
    assert ("accepted", other) == (member["Status"], member["Member ID"])
    walk(f"image remove project small {other}")
    walk("image delete small")
    assert [] == walk.names("image list")


def test_images_are_imported_copied_and_cached(walk: Walk, tmp_path: Path) -> None:
    assert {"file", "second"} == set(walk.names("image stores list", column="ID"))
    assert "glance-direct" in str(walk("image import info"))
    walk("image create --disk-format raw --container-format bare staged", status="queued")
    walk(f"image stage --file {disk(tmp_path)} staged")
    walk("image show staged", status="uploading")
    walk("image import --method glance-direct staged")
    shown = walk.until("image show staged", status="active")
    walk.ids["staged"] = shown["id"]
    walk("image import --method copy-image --all-stores {staged}", as_="admin")
    walk.until("image show staged", status="active", size=512)
    (task, *_) = walk("image task list", as_="admin")
    assert "api_image_import" == task["Type"]
    walk("image task list", fails="tasks_api_access")
    walk("cached image queue {staged}", as_="admin")
    walk.until("image show staged", status="active")
    walk("cached image delete {staged}", as_="admin")
    walk("image delete staged")


def test_definitions_of_metadata(walk: Walk) -> None:
    admin = {"as_": "admin"}
    walk("image metadef namespace create --public --protected --description d mine", **admin, protected=True)
    walk("image metadef namespace create mine", **admin, fails="already exists")
    walk("image metadef namespace set --unprotected --private mine", **admin)
    walk("image metadef namespace show mine", fails="mine was not found")
    walk("image metadef object create --namespace mine thing", **admin, name="thing")
    schema = """'{{"enum": ["a", "b"]}}'"""
    walk(f"image metadef property create --name p --title P --type string --schema {schema} mine", **admin, name="p")
    walk("image metadef property show mine p", **admin, title="P")
    walk("image metadef resource type association create mine OS::Glance::Image", **admin)
    walk("image metadef resource type association list mine", **admin)
    walk("image metadef namespace delete mine", **admin)


def test_servers_boot_from_volumes_and_have_disks_of_their_own(walk: Walk, tmp_path: Path) -> None:
    walk(f"image create --disk-format raw --container-format bare --file {disk(tmp_path)} tiny")
    walk("flavor create --ram 64 --disk 1 --vcpus 1 --ephemeral 2 --swap 64 roomy", as_="admin")
    create = "server create --flavor roomy --nic none --wait"
    walk(f"{create} --image tiny --swap 32 --ephemeral size=1,format=ext4 own", status="ACTIVE")
    walk(f"{create} --image tiny --swap 65 x", fails="Swap drive requested is larger")
    walk(f"{create} --image tiny --boot-from-volume 1 whole", status="ACTIVE")
    (root,) = walk("server volume list whole")
    assert "/dev/vda" == root["Device"]
    walk(f"volume delete {root['Volume ID']}", fails="attached")
    walk(f"server remove volume whole {root['Volume ID']}", fails="root device")
    walk("server image create --name of-whole --wait whole", status="active", size=0)
    walk("server rebuild --image tiny whole", fails="--reimage-boot-volume is required")
    walk("server delete --wait own whole")
    walk("volume snapshot delete 'snapshot for of-whole'")
    walk.gone("volume snapshot list")
    walk(f"volume delete {root['Volume ID']}")
    walk("image delete tiny of-whole")
    walk("flavor delete roomy", as_="admin")

"""Every kind of thing block storage has is made, shown, changed and deleted by the newest `openstack` command and by Debian 12's."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.cloud import RunningCloud, running_cloud
from tests.clients.walk import Walk

pytestmark = [pytest.mark.client, pytest.mark.timeout(900), pytest.mark.filterwarnings("default::ResourceWarning")]

OLDEST = Path("/usr/bin/openstack")
PLACES = '[volume_backends.a]\ndriver = "fake"\n[volume_backends.b]\ndriver = "fake"\n'
NEW, OLD = "newest", "Debian 12's"


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with running_cloud("--compute", "fake", "--network", "fake", config=PLACES) as made:
        yield made


@pytest.fixture(params=[NEW, OLD])
def walk(request: pytest.FixtureRequest, cloud: RunningCloud) -> Iterator[Walk]:
    """Commands of one of the clients; nothing of demo's is left behind."""
    if request.param == OLD and not OLDEST.exists():
        pytest.skip("python3-openstackclient is not installed")
    cloud.use("/usr/bin/python3" if request.param == OLD else sys.executable)
    walk = Walk(cloud, newest=request.param == NEW)
    yield walk
    for what in ("volume backup", "volume snapshot", "volume"):
        walk.gone(f"{what} list")


def test_types_have_specs_members_encryption_and_limits(walk: Walk) -> None:
    admin = {"as_": "admin"}
    walk("volume type create --description d --property a=b quick", **admin, name="quick", is_public=True)
    walk("volume type create quick", **admin, fails="already exists")
    walk("volume type create theirs", fails="volume_extension:type_create")
    walk("volume type create --private --project demo hidden", **admin, is_public=False)
    assert "hidden" in walk.names("volume type list")
    walk("volume type unset --project demo hidden", **admin)
    assert "hidden" not in walk.names("volume type list")
    walk("volume type set --project demo quick", **admin, fails="not applicable to public volume type")
    walk("volume type set --name quicker --property c=d quick", **admin)
    walk("volume type unset --property a quicker", **admin)
    assert {"c": "d"} == walk("volume type show quicker", **admin)["properties"]
    encrypted = "--encryption-provider luks --encryption-cipher aes-xts-plain64 --encryption-key-size 256"
    walk(f"volume type create {encrypted} --encryption-control-location front-end secret", **admin)
    walk("volume type set --encryption-key-size 512 secret", **admin)
    assert "512" in str(walk("volume type show --encryption-type secret", **admin)["encryption"])
    walk("volume type unset --encryption-type secret", **admin)
    walk("volume qos create --consumer front-end --property total_iops_sec=100 slow", **admin, consumer="front-end")
    walk("volume qos associate slow quicker", **admin)
    walk("volume qos delete slow", **admin, fails="still associated")
    walk("volume qos disassociate --all slow", **admin)
    walk("volume qos delete slow", **admin)
    walk("volume type delete quicker hidden secret", **admin)
    assert ["__DEFAULT__"] == walk.names("volume type list")


def test_volumes_are_made_changed_moved_and_deleted(walk: Walk) -> None:
    options = "--description d --property k=v --availability-zone nova --bootable --read-only"
    walk(f"volume create --size 1 {options} one", name="one", status="creating", size=1)
    walk.until("volume show one", status="available", bootable=True, encrypted=False, description="d")
    one = walk.keep("one", "volume show one")
    walk("volume set --name uno --size 3 --property p=q --image-property i=j --read-write one")
    walk.until("volume show uno", status="available", size=3)
    walk("volume unset --property k --image-property i uno")
    walk("volume unset --property k uno", fails="no metadata with key k")
    for line, why in {
        "--size 0 x": "greater than 0",
        "--size 2000 x": "VolumeSizeExceedsAvailableQuota",
        "--size 1 --type nosuch x": "nosuch",
        "--size 1 --availability-zone nosuch x": "nosuch",
        "--size 1 --snapshot nosuch x": "nosuch",
    }.items():
        walk(f"volume create {line}", fails=why)
    assert ["uno"] == walk.names("volume list --status available --long")
    assert ["uno"] == walk.names("volume list --all-projects --name uno", as_="admin")
    walk("volume set --state error uno", fails="volume_admin_actions:reset_status")
    walk("volume set --state error {one}", as_="admin")
    walk("volume show uno", status="error")
    walk("volume set --state available {one}", as_="admin")
    here = walk("volume show {one}", as_="admin")["os-vol-host-attr:host"]
    there = here.translate(str.maketrans("ab", "ba"))
    walk(f"volume migrate --host {there} {one}", as_="admin")
    walk.until("volume show {one}", as_="admin", status="available", **{"os-vol-host-attr:host": there})
    walk("volume type create --property volume_backend_name=nosuch nowhere", as_="admin")
    walk("volume create --size 1 --type nowhere lost")
    walk.until("volume show lost", status="error")
    (told,) = walk("--os-volume-api-version 3.3 volume message list")
    assert ("ERROR", True) == (told["Message Level"], "should be 'nosuch'" in told["User Message"])
    walk(f"--os-volume-api-version 3.3 volume message delete {told['ID']}")
    walk(f"volume delete {one} lost")
    walk.gone("volume list")
    walk("volume type delete nowhere", as_="admin")


def test_copies_and_transfers_of_volumes(walk: Walk) -> None:
    walk("volume create --size 1 one")
    walk.until("volume show one", status="available")
    walk("volume snapshot create --volume one --description d --property a=b taken", status="creating", size=1)
    walk.until("volume snapshot show taken", status="available")
    walk("volume snapshot set --name took --property c=d taken")
    walk("volume snapshot unset --property a took")
    walk("volume delete one", fails="snapshots")
    walk.keep("one", "volume show one")
    walk("volume delete --force {one}", as_="admin", fails="snapshots")
    walk("volume create --snapshot took --size 2 two")
    walk("volume create --source one three")
    for name in ("two", "three"):
        walk.until(f"volume show {name}", status="available")
    walk("volume backup create --name kept --description d --container c one")
    walk.until("volume backup show kept", status="available", container="c", is_incremental=False)
    walk("volume backup create --name more --incremental one")
    walk.until("volume backup show more", status="available", is_incremental=True)
    walk("volume backup delete kept", fails="Incremental backups exist")
    # Debian 12's cannot print what it is told of a backup that is being restored.
    walk("volume backup restore more four" if walk.newest else "volume create --source one four")
    walk.until("volume show four", status="available")
    assert ["kept", "more"] == walk.names("volume backup list --long")
    walk("volume backup delete more")
    walk.until("volume backup show kept", has_dependent_backups=False)
    made = walk("volume transfer request create --name offer four")
    walk("volume show four", status="awaiting-transfer")
    accept = "volume transfer request accept --auth-key {} " + made["id"]
    walk(accept.format("wrong"), as_="admin", fails="invalid auth key")
    walk(accept.format(made["auth_key"]), as_="admin")
    assert ["four"] == walk.names("volume list", as_="admin")
    walk("volume delete four", as_="admin")
    walk("volume backup delete kept")
    walk("volume snapshot delete took")
    walk.gone("volume snapshot list")
    walk("volume delete one two three")


def test_groups_and_what_they_were_before(walk: Walk) -> None:
    at = "--os-volume-api-version 3.14"
    walk(f"{at} volume group type create set", as_="admin", is_public=True)
    of = "--volume-group-type set --volume-type __DEFAULT__" if walk.newest else "set __DEFAULT__"
    walk(f"{at} volume group create --name g {of}")
    assert ["g"] == walk.names(f"{at} volume group list")
    if walk.newest:  # Debian 12's finds no group by its name
        walk(f"{at} volume group set --name h --description d g")
        walk(f"{at} volume group show h", status="available", description="d")
    walk.keep("group", f"{at} volume group list")
    walk(f"{at} volume group delete {{group}}")
    walk.gone(f"{at} volume group list")
    walk(f"{at} volume group type delete set", as_="admin")
    walk("volume create --size 1 member")
    walk.until("volume show member", status="available")
    walk("consistency group create --volume-type __DEFAULT__ c")
    walk("consistency group set --name d c")
    walk("consistency group add volume d member")
    walk("consistency group snapshot create --consistency-group d s")
    walk.until("consistency group snapshot show s", status="available")
    walk("consistency group snapshot delete s")
    walk.gone("consistency group snapshot list")
    walk("consistency group remove volume d member")
    walk("consistency group delete d")
    walk.gone("consistency group list")
    walk("volume delete member")


def test_attachments_are_made_by_hand(walk: Walk) -> None:
    walk("volume create --size 1 one")
    walk.until("volume show one", status="available")
    walk("image create --disk-format raw --container-format bare --file /etc/hostname tiny")
    walk("server create --image tiny --flavor m1.nano --nic none --wait holder")
    at, how = "--os-volume-api-version 3.70", "--host h1 --platform x86_64 --os-type linux2"
    given = "one --server holder" if walk.newest else "one holder"
    walk(f"{at} volume attachment create {given}", status="reserved")
    walk.keep("att", f"{at} volume attachment list")
    walk(f"{at} volume attachment set {how} {{att}}")
    walk(f"{at} volume attachment show {{att}}", status="attaching")
    walk(f"{at} volume attachment complete {{att}}")
    walk(f"{at} volume attachment show {{att}}", status="attached")
    walk("volume show one", status="in-use")
    walk("volume delete one", fails="attached")
    walk.keep("one", "volume show one")
    walk("volume delete --force {one}", as_="admin", fails="attached")
    walk(f"{at} volume attachment delete {{att}}")
    walk.until("volume show one", status="available")
    walk("server delete --wait holder")
    walk("image delete tiny")
    walk("volume delete one")


def test_what_operators_ask(walk: Walk) -> None:
    admin, at = {"as_": "admin"}, "--os-volume-api-version 3.33"
    assert {"cinder-volume", "cinder-backup", "cinder-scheduler"} == set(
        walk.names("volume service list", **admin, column="Binary")
    )
    place = next(row["Host"] for row in walk("volume service list", **admin) if row["Host"].endswith("@a"))
    walk(f"volume service set --disable --disable-reason mending {place} cinder-volume", **admin)
    (shown,) = walk(f"volume service list --long --host {place}", **admin)
    assert ("disabled", "mending") == (shown["Status"], shown["Disabled Reason"])
    walk(f"volume service set --enable {place} cinder-volume", **admin)
    walk("volume service list", fails="volume_extension:services:index")
    if walk.newest:
        assert 2 == len(walk("volume backend pool list --long", **admin))
        assert "thin_provisioning" in walk.names(f"volume backend capability show {place}", **admin, column="Key")
    assert "volume" in walk.names(f"{at} block storage resource filter list", column="Resource")
    walk.names("availability zone list --volume", column="Zone Name")
    project = walk("token issue")["project_id"]
    walk(f"quota set --gigabytes 5 {project}", **admin)
    walk("volume create --size 6 x", fails="VolumeSizeExceedsAvailableQuota")
    walk(f"quota set --gigabytes 1000 {project}", **admin)
    limits = {row["Name"]: row["Value"] for row in walk("limits show --absolute")}
    assert 1000 == limits.get("max_total_volume_gigabytes", limits.get("maxTotalVolumeGigabytes"))

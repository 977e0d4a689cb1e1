"""The `openstack` command walks through the whole cloud as its users do, and reads what went wrong as they do."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.clients.cloud import RunningCloud, running_cloud, until

pytestmark = [pytest.mark.client, pytest.mark.timeout(600), pytest.mark.filterwarnings("default::ResourceWarning")]


OLDEST = Path("/usr/bin/openstack")


@pytest.fixture(scope="module", params=["newest", "Debian 12's"])
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """A cloud in which demo has a network behind a router, a group, a keypair and an image, and a small flavor exists.

    It is walked through by the newest client and by the oldest one that is supported.
    """
    folder = tmp_path_factory.mktemp("walk")
    with running_cloud() as made:
        if request.param != "newest":
            if not OLDEST.exists():
                pytest.skip("python3-openstackclient is not installed")
            # It speaks 2.1 unless told otherwise; the newest one negotiates.
            made.python, made.variables = "/usr/bin/python3", {"OS_COMPUTE_API_VERSION": "2.90"}
        made.openstack(f"image create --disk-format qcow2 --container-format bare --file {disk(folder)} tiny")
        made.openstack("flavor create --ram 64 --disk 1 --vcpus 1 walk.tiny", as_="admin")
        made.openstack(f"keypair create --public-key {key(folder)} mine")
        made.openstack("network create inside")
        made.openstack("subnet create --network inside --subnet-range 10.9.0.0/24 inside-v4")
        made.openstack("router create way")
        made.openstack("router set --external-gateway public way")
        made.openstack("router add subnet way inside-v4")
        made.openstack("security group create open")
        made.openstack("security group rule create --protocol tcp --dst-port 22 open")
        made.openstack("security group rule create --protocol icmp open")
        yield made
        for line in (
            "router remove subnet way inside-v4",
            "router unset --external-gateway way",
            "router delete way",
            "subnet delete inside-v4",
            "network delete inside",
            "security group delete open",
            "keypair delete mine",
            "image delete tiny",
        ):
            made.openstack(line)
        made.openstack("flavor delete walk.tiny", as_="admin")
        assert nothing_left(made) == []


@pytest.fixture
def server(cloud: RunningCloud) -> Iterator[str]:
    """A running server of demo's."""
    # `--wait` looks every few seconds; there is a test of its own for it.
    cloud.openstack(f"{CREATE} walker")
    until(lambda: status(cloud, "walker") == "ACTIVE", "the server runs")
    yield "walker"
    cloud.openstack("server delete walker")
    until(lambda: cloud.openstack("server list") == [], "the server is deleted")


CREATE = "server create --image tiny --flavor walk.tiny --network inside --security-group open --key-name mine"


def disk(folder: Path) -> Path:
    """A small qcow2 image."""
    file = folder / "tiny.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(file), "16M"], check=True)
    return file


def key(folder: Path) -> Path:
    """A public key."""
    file = folder / "mine.key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return file.with_suffix(".key.pub")


def nothing_left(cloud: RunningCloud) -> list[str]:
    """What of demo's is still there after everything was deleted."""
    project = cloud.openstack("token issue")["project_id"]
    found = [f"port {port['ID']}" for port in cloud.openstack(f"port list --project {project}", as_="admin")]
    found += [f"server {server['ID']}" for server in cloud.openstack("server list --all-projects", as_="admin")]
    for provider in cloud.ask("GET", "/placement/resource_providers", as_="admin").json["resource_providers"]:
        held = cloud.ask("GET", f"/placement/resource_providers/{provider['uuid']}/allocations", as_="admin").json
        found += [f"allocation {consumer}" for consumer in held["allocations"]]
    return found


def status(cloud: RunningCloud, server: str) -> str:
    return str(cloud.openstack(f"server show {server}")["status"])


def test_admin_makes_a_project_with_a_user_who_can_log_in(cloud: RunningCloud) -> None:
    try:
        cloud.openstack("project create --description 'for tries' trial", as_="admin")
        cloud.openstack("user create --password s3cret --project trial tess", as_="admin")
        cloud.openstack("role add --user tess --project trial member", as_="admin")
        assigned = cloud.openstack("role assignment list --user tess --project trial --names", as_="admin")
        assert ["member"] == [row["Role"] for row in assigned]
        given = "--os-username tess --os-password s3cret --os-project-name trial"
        assert [] == cloud.openstack(f"{given} server list")
    finally:
        cloud.openstack("user delete tess", as_="admin")
        cloud.openstack("project delete trial", as_="admin")


def test_catalog_names_every_service(cloud: RunningCloud) -> None:
    types = {row["Type"] for row in cloud.openstack("catalog list")}
    assert {"identity", "image", "placement", "compute", "network"} <= types


def test_image_was_uploaded_whole(cloud: RunningCloud, tmp_path: Path) -> None:
    image = cloud.openstack("image show tiny")
    assert ("active", "qcow2") == (image["status"], image["disk_format"])
    cloud.openstack(f"image save --file {tmp_path / 'back'} tiny")
    assert image["size"] == (tmp_path / "back").stat().st_size


def test_server_has_an_address_and_a_port_of_its_network(cloud: RunningCloud, server: str) -> None:
    shown = cloud.openstack(f"server show {server}")
    (address,) = shown["addresses"]["inside"]
    assert address.startswith("10.9.0.")
    (port,) = cloud.openstack(f"port list --server {server}")
    assert address == port["Fixed IP Addresses"][0]["ip_address"]
    until(lambda: cloud.openstack(f"port show {port['ID']}")["status"] == "ACTIVE", "the port is up", 10)
    assert [server] == [row["Name"] for row in cloud.openstack("server list")]


def test_floating_ip_comes_and_goes(cloud: RunningCloud, server: str) -> None:
    address = cloud.openstack("floating ip create public")["floating_ip_address"]
    cloud.openstack(f"server add floating ip {server} {address}")
    until(lambda: address in cloud.openstack(f"server show {server}")["addresses"]["inside"], "the server has it")
    cloud.openstack(f"server remove floating ip {server} {address}")
    assert address not in cloud.openstack(f"server show {server}")["addresses"]["inside"]
    cloud.openstack(f"floating ip delete {address}")


def test_server_stops_starts_and_reboots(cloud: RunningCloud, server: str) -> None:
    cloud.openstack(f"server stop {server}")
    until(lambda: status(cloud, server) == "SHUTOFF", "stopped")
    cloud.openstack(f"server start {server}")
    until(lambda: status(cloud, server) == "ACTIVE", "started")
    cloud.openstack(f"server reboot --wait {server}")
    cloud.openstack(f"server reboot --hard --wait {server}")
    assert "ACTIVE" == status(cloud, server)
    events = cloud.openstack(f"server event list {server}")
    assert ["create", "reboot", "reboot", "start", "stop"] == sorted(event["Action"] for event in events)
    told = cloud.openstack(f"server event show {server} {events[-1]['Request ID']}")
    assert "create" == told["action"]


def test_locked_server_does_as_nobody_says(cloud: RunningCloud, server: str) -> None:
    cloud.openstack(f"server lock --reason 'hands off' {server}")
    assert "locked" in cloud.openstack(f"server stop {server}", fails=True)
    assert "ACTIVE" == status(cloud, server)
    cloud.openstack(f"server unlock {server}")


def test_server_is_renamed_and_described(cloud: RunningCloud, server: str) -> None:
    cloud.openstack(f"server set --property colour=blue --description 'of the walk' {server}")
    cloud.openstack(f"server set --name renamed {server}")
    try:
        shown = cloud.openstack("server show renamed")
        assert ("blue", "of the walk") == (shown["properties"]["colour"], shown["description"])
    finally:
        cloud.openstack(f"server set --name {server} renamed")


def test_consoles_are_shown(cloud: RunningCloud, server: str) -> None:
    assert isinstance(cloud.openstack(f"console log show {server}"), str)
    for kind in ("novnc", "serial"):
        assert "token=" in unquote(cloud.openstack(f"console url show --{kind} {server}")["url"])


def test_several_servers_are_made_at_once(cloud: RunningCloud) -> None:
    cloud.openstack(f"{CREATE} --min 2 --max 2 --wait pair")
    try:
        assert ["pair-1", "pair-2"] == sorted(row["Name"] for row in cloud.openstack("server list"))
    finally:
        cloud.openstack("server delete --wait pair-1 pair-2")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("server create --image tiny --flavor no-such-flavor --network inside x", "no-such-flavor"),
        ("server create --image no-such-image --flavor walk.tiny --network inside x", "no-such-image"),
        ("server create --image tiny --flavor walk.tiny --network no-such-network x", "no-such-network"),
        ("server show no-such-server", "no-such-server"),
        ("server delete no-such-server", "no-such-server"),
        ("keypair create --public-key /etc/hostname odd", "key"),
        ("subnet create --network inside --subnet-range 10.9.0.0/25 overlapping", "overlap"),
        ("subnet delete inside-v4", "IP allocation"),
        ("network delete inside", "in use"),
        ("security group rule create --protocol icmp open", "exists"),
        ("floating ip create inside", "external"),
        ("user list", "policy"),
        ("flavor create --ram 64 --disk 1 --vcpus 1 mine", "Policy"),
    ],
)
def test_refuses_and_says_why(cloud: RunningCloud, line: str, words: str) -> None:
    assert words.lower() in cloud.openstack(line, fails=True).lower()


def test_keypair_of_a_name_that_is_taken_is_refused(cloud: RunningCloud, tmp_path: Path) -> None:
    assert "mine" in cloud.openstack(f"keypair create --public-key {key(tmp_path)} mine", fails=True)


def test_server_of_another_project_is_not_there(cloud: RunningCloud, server: str) -> None:
    id = cloud.openstack(f"server show {server}")["id"]
    cloud.openstack("project create other", as_="admin")
    cloud.openstack("user create --password s3cret --project other olga", as_="admin")
    cloud.openstack("role add --user olga --project other member", as_="admin")
    stranger = "--os-username olga --os-password s3cret --os-project-name other"
    try:
        for line in (f"server show {id}", f"server delete {id}", f"server stop {id}", "network show inside"):
            assert "No" in cloud.openstack(f"{stranger} {line}", fails=True)
        assert [] == cloud.openstack(f"{stranger} server list")
    finally:
        cloud.openstack("user delete olga", as_="admin")
        cloud.openstack("project delete other", as_="admin")


def test_quota_is_told_when_it_is_exceeded(cloud: RunningCloud) -> None:
    project = cloud.openstack("token issue")["project_id"]
    before = cloud.openstack(f"quota show {project}", as_="admin")
    cores = (
        before["cores"] if isinstance(before, dict) else next(r["Limit"] for r in before if r["Resource"] == "cores")
    )
    try:
        cloud.openstack(f"quota set --cores 0 {project}", as_="admin")
        assert "cores" in cloud.openstack(f"{CREATE} --wait too-many", fails=True)
        assert [] == cloud.openstack("server list")
    finally:
        cloud.openstack(f"quota set --cores {cores} {project}", as_="admin")


def test_program_reads_what_env_and_clouds_yaml_tell(cloud: RunningCloud) -> None:
    program = Path(cloud.python).with_name("openstack")
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(cloud.path)}
    by_file = plain | {"OS_CLIENT_CONFIG_FILE": str(cloud.path / "clouds.yaml"), "OS_CLOUD": "pileus-admin"}
    for environment in (plain | cloud.environment("admin"), by_file):
        done = subprocess.run(
            [str(program), "project", "list", "-f", "value", "-c", "Name"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (0, True) == (done.returncode, "demo" in done.stdout.split()), done

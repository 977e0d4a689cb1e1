"""A second host joins a cloud of fakes: tokens, certificates, placement, drain, death and removal."""

import json
import subprocess

import pytest
from tests.clients.cloud import running_cloud, until
from tests.hosts.joined import machine
from tests.ports import free_port

pytestmark = [pytest.mark.client, pytest.mark.timeout(400), pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def cloud():
    port = free_port()
    serving = f'[volume_serving]\naddress = "127.0.0.1"\nfirst_port = {port}\nlast_port = {port}\n'
    with running_cloud("--compute", "fake", "--network", "fake", "--volumes", "file", config=serving) as running:
        yield running


@pytest.fixture
def host(cloud):
    with machine(cloud, "far") as made:
        yield made
        if made.state.pid() is not None:
            made.command("down")
        if " far " in f" {cloud.pileus('host', 'list')} ".replace("\n", " "):
            cloud.pileus("host", "remove", "far")


def make_server(cloud, name, zone=""):
    """A server with no network, once it is active; where it is."""
    line = f"--os-compute-api-version 2.37 server create {name} --flavor m1.nano --image {image_of(cloud)} --nic none --wait"
    shown = cloud.openstack(line + (f" --availability-zone {zone}" if zone else ""), as_="admin")
    return cloud.openstack(f"server show {shown['id']}", as_="admin")["OS-EXT-SRV-ATTR:host"]


def image_of(cloud):
    """An image that fakes can start from."""
    images = cloud.openstack("image list", as_="admin")
    if images:
        return images[0]["ID"]
    (cloud.path / "image").write_bytes(bytes(65536))
    line = f"image create tiny --file {cloud.path}/image --disk-format raw --container-format bare --public"
    return cloud.openstack(line, as_="admin")["id"]


def test_a_host_joins_gets_servers_and_shows_their_consoles(cloud, host):
    host.join()
    hypervisors = cloud.openstack("hypervisor list", as_="admin")
    assert len(hypervisors) == 2 and {found["State"] for found in hypervisors} == {"up"}
    assert make_server(cloud, "there", "nova:far") == "far"
    assert "there login:" in cloud.openstack("console log show there", as_="admin")
    cloud.pileus("host", "drain", "far", "--keep")
    assert make_server(cloud, "here") != "far"
    assert "1 server(s)" in cloud.pileus("host", "remove", "far", fails=True)
    cloud.openstack("server delete there here --wait", as_="admin")
    cloud.pileus("host", "drain", "far", "--off")


def test_servers_move_between_hosts_and_images_are_made_of_them_there(cloud, host):
    host.join()
    own = next(h["Host"] for h in cloud.openstack("compute service list", as_="admin") if h["Host"] != "far")
    make_server(cloud, "mover", "nova:far")
    made = cloud.openstack("server image create mover --name copied --wait", as_="admin")
    assert cloud.openstack(f"image show {made['id']}", as_="admin")["status"] == "active"
    migrated(cloud, "mover", own, "confirm", "ACTIVE", own)
    migrated(cloud, "mover", "far", "revert", "ACTIVE", own)
    migrated(cloud, "mover", "far", "confirm", "ACTIVE", "far")
    cloud.openstack("server delete mover --wait", as_="admin")
    cloud.openstack("image delete copied", as_="admin")


def settled(cloud, id, what="volume"):
    """The id, once the thing is available."""
    until(
        lambda: cloud.openstack(f"{what} show {id}", as_="admin")["status"] == "available", f"{what} {id} is there", 120
    )
    return id


def made(cloud, line, what="volume"):
    """The id of what is made, once it is available."""
    return settled(cloud, str(cloud.openstack(line, as_="admin")["id"]), what)


def place_of(cloud, volume):
    return cloud.openstack(f"volume show {volume}", as_="admin")["os-vol-host-attr:host"].partition("@")[0]


def file_of(machine, volume):
    (file,) = (machine.path / "volumes" / "volume" / volume).glob("*.raw")
    return file


def read(file):
    with file.open("rb") as disk:
        disk.seek(700 << 20)
        return disk.read(8)


@pytest.mark.host  # a qcow2 image is made, of a volume
def test_volumes_move_between_hosts_and_give_backups_and_images_from_there(cloud, host, tmp_path):
    (host.path / "config.toml").write_text('volume_driver = "file"\n')
    host.join()
    cloud.openstack("volume service set --disable far@file cinder-volume", as_="admin")
    one, other = (made(cloud, f"volume create --size 1 {name}") for name in ("one", "other"))
    assert "far" not in {place_of(cloud, one), place_of(cloud, other)}
    with file_of(cloud, one).open("r+b") as disk:
        disk.seek(700 << 20)
        disk.write(b"precious")
    cloud.openstack("volume service set --enable far@file cinder-volume", as_="admin")
    cloud.openstack(f"volume migrate --host far@file {one}", as_="admin")
    until(lambda: place_of(cloud, one) == "far", "the volume is on the other host", 120)
    settled(cloud, one)
    assert not (cloud.path / "volumes" / "volume" / one).exists()
    backup = made(cloud, f"volume backup create --name kept {one}", "volume backup")
    cloud.openstack(f"volume backup restore --force {backup} {other}", as_="admin")
    settled(cloud, backup, "volume backup")
    settled(cloud, other)
    assert [b"precious"] * 2 == [read(file_of(host, one)), read(file_of(cloud, other))]
    image = cloud.openstack(f"image create --volume {one} --disk-format qcow2 taken", as_="admin")["image_id"]
    until(lambda: cloud.openstack(f"image show {image}", as_="admin")["status"] == "active", "the image is there", 120)
    cloud.openstack(f"image save --file {tmp_path}/taken {image}", as_="admin")
    convert = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", f"{tmp_path}/taken", f"{tmp_path}/raw"]
    subprocess.run(convert, check=True)
    assert b"precious" == read(tmp_path / "raw")
    settled(cloud, one)
    cloud.openstack(f"volume backup delete {backup}", as_="admin")
    cloud.openstack(f"volume delete {one} {other}", as_="admin")
    until(lambda: cloud.openstack("volume list", as_="admin") == [], "the volumes are gone")
    cloud.openstack(f"image delete {image}", as_="admin")


@pytest.mark.host  # the volume is served by QEMU's storage daemon
def test_a_server_gets_a_volume_that_another_host_keeps(cloud, host):
    (host.path / "config.toml").write_text('volume_driver = "file"\n')
    host.join()
    cloud.openstack("volume service set --disable far@file cinder-volume", as_="admin")
    volume = made(cloud, "volume create --size 1 served")
    with file_of(cloud, volume).open("r+b") as disk:
        disk.seek(700 << 20)
        disk.write(b"precious")
    assert make_server(cloud, "there", "nova:far") == "far"
    cloud.openstack(f"server add volume there {volume}", as_="admin")
    until(lambda: cloud.openstack(f"volume show {volume}", as_="admin")["status"] == "in-use", "it is attached", 120)
    (link,) = (host.path / "volumes" / "links").glob("*/disk")
    assert b"precious" == read(link)
    with link.open("r+b") as disk:
        disk.seek(700 << 20)
        disk.write(b"from far")
    assert b"from far" == read(file_of(cloud, volume))
    cloud.openstack(f"server remove volume there {volume}", as_="admin")
    settled(cloud, volume)
    ways = [host.path / "volumes" / "links", cloud.path / "volumes" / "doors"]
    until(lambda: not any(list(folder.iterdir()) for folder in ways), "nothing is left of the way", 120)
    cloud.openstack("server delete there --wait", as_="admin")
    cloud.openstack(f"volume delete {volume}", as_="admin")
    until(lambda: cloud.openstack("volume list", as_="admin") == [], "the volume is gone")
    cloud.openstack("volume service set --enable far@file cinder-volume", as_="admin")


def test_a_host_is_emptied_by_one_command_and_can_be_removed_then(cloud, host):
    host.join()
    for name in ("runs", "off"):
        make_server(cloud, name, "nova:far")
    cloud.openstack("server stop off", as_="admin")
    until(lambda: cloud.openstack("server show off", as_="admin")["status"] == "SHUTOFF", "it is off", 60, 0.5)
    said = cloud.pileus("host", "drain", "far", "--wait")
    assert "runs (" in said and "moved while it runs" in said and "moved standing still" in said
    assert "far has no servers." in said
    for name, status in (("runs", "ACTIVE"), ("off", "SHUTOFF")):
        shown = cloud.openstack(f"server show {name}", as_="admin")
        assert shown["OS-EXT-SRV-ATTR:host"] != "far" and shown["status"] == status
    assert "far has no servers." in cloud.pileus("host", "drain", "far", "--wait")  # Again, to no effect.
    host.command("down")
    cloud.pileus("host", "remove", "far")
    cloud.openstack("server delete runs off --wait", as_="admin")


def test_what_cannot_leave_is_named_and_the_command_says_so(cloud, host):
    host.join()
    make_server(cloud, "stuck", "nova:far")
    cloud.openstack("server suspend stuck", as_="admin")
    until(lambda: cloud.openstack("server show stuck", as_="admin")["status"] == "SUSPENDED", "it sleeps", 60, 0.5)
    said = cloud.pileus("host", "drain", "far", "--wait", fails=True)
    assert "stays: it is suspended: resume it" in said and "1 server(s) cannot leave far now." in said
    cloud.openstack("server delete stuck --wait", as_="admin")
    cloud.pileus("host", "drain", "far", "--off")


def test_a_move_goes_on_where_the_killed_controller_left_it(cloud, host):
    host.join()
    make_server(cloud, "mover", "nova:far")
    line = "--os-compute-api-version 2.56 server migrate mover"
    cloud.openstack(line, as_="admin")
    cloud.kill9()
    cloud.up()
    show = lambda: cloud.openstack("server show mover", as_="admin")  # noqa: E731
    until(lambda: show()["status"] == "VERIFY_RESIZE", "it has moved", 60, 0.5)
    assert show()["OS-EXT-SRV-ATTR:host"] != "far"
    cloud.openstack("server delete mover --wait", as_="admin")


def migrated(cloud, name, to, then, status, ends):
    """The server has moved to the host, and that was confirmed or reverted."""
    cloud.openstack(f"--os-compute-api-version 2.56 server migrate --host {to} {name} --wait", as_="admin")
    show = lambda: cloud.openstack(f"server show {name}", as_="admin")  # noqa: E731
    assert ("VERIFY_RESIZE", to) == (show()["status"], show()["OS-EXT-SRV-ATTR:host"])
    cloud.openstack(f"server migration {then} {name}", as_="admin")
    until(lambda: (show()["status"], show()["OS-EXT-SRV-ATTR:host"]) == (status, ends), f"{name} is on {ends}", 60, 0.5)


def test_servers_of_a_dead_host_are_made_anew_elsewhere(cloud, host):
    host.join()
    make_server(cloud, "left", "nova:far")
    cloud.openstack("--os-compute-api-version 2.68 server evacuate left", as_="admin", fails=True)
    host.kill9()
    host.until("down")
    cloud.openstack("--os-compute-api-version 2.68 server evacuate left", as_="admin")
    until(
        lambda: cloud.openstack("server show left", as_="admin")["OS-EXT-SRV-ATTR:host"] not in ("far", None),
        "it left",
        60,
    )
    shown = cloud.openstack("server show left", as_="admin")
    assert shown["status"] == "ACTIVE" and shown["OS-EXT-SRV-ATTR:host"] != "far"
    host.rejoin()
    host.until("up")
    cloud.openstack("server delete left --wait", as_="admin")
    cloud.pileus("host", "remove", "far")


def test_a_token_is_good_once_and_only_for_its_cloud(cloud, host):
    url, token = host.token()
    secret, _, mark = token.partition(".")
    assert "another fingerprint" in host.command("join", url, "--token", f"{secret}.{'0' * 64}", fails=True)
    assert "not good" in host.command("join", url, "--token", f"wrong.{mark}", "--name", "far", fails=True)
    host.command("join", url, "--token", token, "--name", "far")
    with machine(cloud, "second") as second:
        assert "not good" in second.command("join", url, "--token", token, "--name", "second", fails=True)
    assert (host.path / "keys" / "host.key").stat().st_mode & 0o777 == 0o600
    assert secret.encode() not in cloud.state.database.read_bytes()
    assert secret not in cloud.log() and secret not in host.log()


def test_a_dead_host_is_seen_gets_no_servers_and_comes_back(cloud, host):
    host.join()
    make_server(cloud, "kept", "nova:far")
    host.kill9()
    host.until("down")
    assert make_server(cloud, "new") != "far"
    host.rejoin()
    host.until("up")
    cloud.openstack("server delete kept new --wait", as_="admin")


def test_a_host_survives_the_controllers_restart(cloud, host):
    host.join()
    cloud.kill9()
    cloud.up()
    host.until("up")
    heard = until(lambda: host.state.pid(), "its agent runs")
    assert make_server(cloud, "after", "nova:far") == "far" and host.state.pid() == heard
    cloud.openstack("server delete after --wait", as_="admin")


def test_a_removed_host_is_refused_and_may_join_anew(cloud, host):
    host.join()
    cloud.pileus("host", "remove", "far")
    assert len(cloud.openstack("hypervisor list", as_="admin")) == 1
    until(lambda: "no host of this cloud any more" in host.log(), "it is refused")
    with machine(cloud, "far") as again:
        again.join()
        assert len(cloud.openstack("hypervisor list", as_="admin")) == 2
        assert json.loads((again.path / "joined.json").read_text())["host"] == "far"
        again.command("down")

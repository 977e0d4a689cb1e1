"""`pileus up --demo` on real QEMU and real OVN: the guest answers, is steered, outlives its cloud, and leaves nothing.

The tests build on one another's cloud but not on one another; the last state of the demo server is "it answers".
"""

import hashlib
import time
from collections.abc import Callable, Iterator

import pytest
from tests.clients.cloud import RunningCloud, running_cloud, until
from tests.hosts.first_light import REAL, Guest, heard, links_of, open_console, qemu_of, switch_of
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from pileus.main.processes import process

pytestmark = [pytest.mark.host, pytest.mark.client, pytest.mark.timeout(900), pytest.mark.filterwarnings("default")]

IDLE_S = 10.0


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with running_cloud(*REAL, arguments=("--demo",)) as made:
        yield made


@pytest.fixture
def guest(cloud: RunningCloud) -> Guest:
    return Guest(cloud)


def test_guest_answers_by_http(guest: Guest) -> None:
    guest.greets()
    assert f"server {guest.show()['id']}" in guest.get("/cgi-bin/echo").splitlines()


def test_guest_sees_the_volume_it_was_given(cloud: RunningCloud, guest: Guest) -> None:
    (volume,) = (row["ID"] for row in cloud.openstack("volume list"))
    shown = guest.get("/cgi-bin/echo").splitlines()
    assert f"serial vdb {volume[:20]}" in shown
    assert f"disk vdb {2**30}" in shown
    assert "in-use" == cloud.openstack("volume show demo")["status"]


def test_volume_leaves_with_what_the_guest_wrote_and_comes_again(cloud: RunningCloud, guest: Guest) -> None:
    (volume,) = (row["ID"] for row in cloud.openstack("volume list"))
    written = guest.ssh(
        "dd if=/dev/urandom of=/dev/vdb bs=1M count=4 2>/dev/null; sync; head -c 4194304 /dev/vdb | md5sum", "root"
    )
    cloud.openstack("server remove volume demo demo")
    until(lambda: cloud.openstack("volume show demo")["status"] == "available", "the volume is free", 120, 0.5)
    assert volume[:20] not in guest.get("/cgi-bin/echo")
    with (cloud.path / "volumes" / "volume" / volume / "0.raw").open("rb") as file:
        assert written.split()[0] == hashlib.md5(file.read(2**22), usedforsecurity=False).hexdigest()
    cloud.openstack("server add volume demo demo")
    until(lambda: volume[:20] in guest.get("/cgi-bin/echo"), "the guest sees the volume again", 120, 0.5)
    assert written == guest.ssh("head -c 4194304 /dev/vdb | md5sum", "root")


def test_server_boots_from_a_volume_and_leaves_nothing(cloud: RunningCloud) -> None:
    line = "server create --image pileus-guest --boot-from-volume 1 --flavor m1.nano --network demo"
    cloud.openstack(f"{line} --wait whole")
    server = cloud.openstack("server show whole")
    (attached,) = server["volumes_attached"]
    try:
        until(lambda: "pileus-guest: ready" in Guest(cloud, "whole").console(), "the guest is ready", 180, 1.0)
        assert qemu_of(cloud, server["id"])
        assert not list((cloud.path / "servers" / server["id"] / "guest").glob("disk*"))
    finally:
        cloud.openstack("server delete --wait whole")
    until(lambda: cloud.openstack(f"volume show {attached['id']}")["status"] == "available", "the volume is free")
    cloud.openstack(f"volume delete {attached['id']}")
    until(lambda: len(cloud.openstack("volume list")) == 1, "the volume is gone")


def test_guest_lets_in_who_has_the_key(guest: Guest) -> None:
    assert "pileus\ndemo\n" == guest.ssh("whoami; hostname")
    assert "10.77.0." in guest.ssh("ip -o addr show eth0")


def test_guest_reaches_metadata_and_the_world_outside(guest: Guest) -> None:
    assert "demo" in guest.ssh("wget -q -O - http://169.254.169.254/latest/meta-data/hostname")
    assert guest.ssh("ip route | grep -c default").strip() == "1"


def test_console_log_tells_that_it_is_ready(guest: Guest) -> None:
    until(lambda: "pileus-guest: ready" in guest.console(), "the console says so", 90)


def test_serial_console_lets_type_and_its_address_is_good_once(guest: Guest) -> None:
    url = guest.console_url("serial")
    with open_console(url) as console:
        assert b"login:" in heard(console, b"login:", type_=b"\r")
    with pytest.raises((InvalidHandshake, ConnectionClosed)):
        with open_console(url) as console:
            console.recv(timeout=5)


def test_screen_speaks_rfb(guest: Guest) -> None:
    with open_console(guest.console_url("novnc")) as console:
        assert heard(console, b"RFB 003.008\n").startswith(b"RFB 003.008\n")


def test_token_of_nobody_opens_nothing(guest: Guest) -> None:
    with pytest.raises((InvalidHandshake, ConnectionClosed)):
        with open_console(f"ws://{guest.cloud.address}/console/websocket?token=guessed") as console:
            console.recv(timeout=5)


def test_takes_little(cloud: RunningCloud, guest: Guest) -> None:
    guest.get()
    before = process(cloud.state.pid())
    time.sleep(IDLE_S)  # measures, waits for nothing
    after = process(cloud.state.pid())
    assert before is not None and after is not None
    percent = 100 * (after.cpu_s - before.cpu_s) / IDLE_S
    print(f"\ncontroller: {after.resident_mib} MiB resident, {percent:.1f} % of a processor while idle")
    print(cloud.pileus("status"))


@pytest.mark.parametrize("ends", [RunningCloud.down, RunningCloud.kill9], ids=["down", "kill"])
def test_guest_does_not_notice_that_its_cloud_is_away(
    cloud: RunningCloud, guest: Guest, ends: Callable[[RunningCloud], None]
) -> None:
    pid, uptime, address, id = guest.pid, guest.uptime, guest.address, guest.show()["id"]

    ends(cloud)
    assert pid == qemu_of(cloud, id)
    began = time.monotonic()
    cloud.up()
    print(f"\nup again after {time.monotonic() - began:.2f} s")

    guest.until_status("ACTIVE")
    assert (pid, address) == (guest.pid, guest.address)
    assert guest.uptime > uptime
    assert "demo" in guest.ssh("hostname")
    assert "pileus-guest: ready" in guest.console()
    with open_console(guest.console_url("serial")) as console:
        assert heard(console, b"login:", type_=b"\r")


def test_guest_that_powers_itself_off_is_shut_off_and_starts_again(guest: Guest) -> None:
    guest.ssh("poweroff", user="root", fails=True)
    guest.until_status("SHUTOFF")
    guest.cloud.openstack(f"server start {guest.name}")
    guest.until_status("ACTIVE")
    guest.greets()


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_reboot_begins_the_guest_anew(guest: Guest, kind: str) -> None:
    before = guest.boot
    guest.cloud.openstack(f"server reboot --{kind} {guest.name}")
    guest.until_status("ACTIVE")
    until(lambda: guest.boot != before, f"the guest has begun anew ({kind})", 120, 1.0)


def test_deleted_server_leaves_nothing(cloud: RunningCloud) -> None:
    line = "server create --image pileus-guest --flavor m1.nano --network demo --security-group demo --key-name demo"
    cloud.openstack(f"{line} --wait brief")
    id = cloud.openstack("server show brief")["id"]
    (port,) = (row["ID"] for row in cloud.openstack("port list --server brief"))
    assert qemu_of(cloud, id)
    assert (cloud.path / "servers" / id).is_dir()
    assert port in switch_of(cloud)
    links = links_of(cloud)
    assert port[:8] in links

    cloud.openstack("server delete --wait brief")

    assert qemu_of(cloud, id) is None
    assert not (cloud.path / "servers" / id).exists()
    until(lambda: port not in switch_of(cloud) and port[:8] not in links_of(cloud), "the port is gone from the switch")
    assert {} == cloud.ask("GET", f"/placement/allocations/{id}", as_="admin").json["allocations"]
    assert [] == cloud.openstack(f"port list --device-id {id}", as_="admin")


def test_everything_can_be_deleted_with_the_command(cloud: RunningCloud, guest: Guest) -> None:
    address, id = guest.address, guest.show()["id"]
    (port,) = (row["ID"] for row in cloud.openstack("port list --server demo"))
    (network,) = (row["ID"] for row in cloud.openstack("network list --internal"))
    for line in (
        "server delete --wait demo",
        "volume delete demo",
        f"floating ip delete {address}",
        "router remove subnet demo demo",
        "router unset --external-gateway demo",
        "router delete demo",
        "network delete demo",
        "security group delete demo",
        "keypair delete demo",
    ):
        cloud.openstack(line)
    until(lambda: not any(each in switch_of(cloud) for each in (port, network, address, id)), "OVN has forgotten it")
    assert not list((cloud.path / "servers").iterdir())

    cloud.up("--demo")
    guest.greets()

"""Real guests that move between two machines, standing still: their bytes go along, and nothing runs twice."""

import re

import pytest
from tests.clients.cloud import running_cloud, until
from tests.hosts.first_light import REAL, Guest
from tests.hosts.joined import machine
from tests.hosts.test_join import address_of, delete, host_of, make_guest, qemus_of

from pileus.main.processes import servers_of

pytestmark = [pytest.mark.host, pytest.mark.client, pytest.mark.scale, pytest.mark.timeout(1800),
              pytest.mark.filterwarnings("default")]  # fmt: skip

# Run at each boot: the first time it writes four mebibytes nobody has seen before, and each time it tells their digest.
KEEPER = """#!/bin/sh
mark=$(dd if=/dev/vda bs=64k skip=7999 count=1 2>/dev/null | head -c 6)
if [ "$mark" != marked ]; then
  dd if=/dev/urandom of=/dev/vda bs=64k seek=8000 count=64 conv=notrunc 2>/dev/null
  printf marked | dd of=/dev/vda bs=64k seek=7999 conv=notrunc 2>/dev/null
  sync
fi
echo "kept $(dd if=/dev/vda bs=64k skip=8000 count=64 2>/dev/null | sha256sum)" > /dev/console
"""
KEPT = re.compile("kept ([0-9a-f]{64})")


@pytest.fixture(scope="module")
def world():
    """A demonstration cloud and a second host with a guest named `mover` on the demonstration's network."""
    with running_cloud(*REAL, arguments=("--demo",)) as cloud, machine(cloud, "b", far=True) as host:
        host.join()
        script = cloud.path / "keeper.sh"
        script.write_text(KEEPER)
        make_guest(cloud, "mover", "b", f"--user-data {script}")
        yield cloud, host, Guest(cloud)
        host.destroy()


def digests(cloud):
    """What the guest told at each boot on the host it is on."""
    return KEPT.findall(Guest(cloud, "mover").console())


def booted(cloud, before=0):
    """The digest of what is on the guest's disk, once it has booted again."""
    return until(lambda: digests(cloud)[before:], "the guest has told what it kept", 300, 2)[-1]


def settled(cloud, name, status):
    until(lambda: Guest(cloud, name).show()["status"] == status, f"{name} is {status}", 240, 1)


def answers(cloud, demo, name):
    page = f"wget -q -O - http://{address_of(cloud, name)}/ || true"
    until(lambda: f"<h1>{name}</h1>" in demo.ssh(page), f"{name} answers", 240, 2)


def ours(cloud):
    """The processes of guests on the controller's machine, by server."""
    return {id: running.pid for id, running in servers_of(cloud.state)}


def test_a_guest_takes_its_bytes_to_the_other_host_and_may_come_back(world):
    cloud, host, demo = world
    own, id = host_of(cloud, "demo"), Guest(cloud, "mover").show()["id"]
    before = booted(cloud)
    cloud.openstack(f"server migrate {id}", as_="admin")
    settled(cloud, "mover", "VERIFY_RESIZE")
    assert host_of(cloud, "mover") == own
    assert (not qemus_of(host)) and id in ours(cloud)
    assert booted(cloud) == before
    answers(cloud, demo, "mover")
    cloud.openstack(f"server migration revert {id}", as_="admin")
    settled(cloud, "mover", "ACTIVE")
    assert host_of(cloud, "mover") == "b"
    assert len(qemus_of(host)) == 1 and id not in ours(cloud)
    assert booted(cloud, 1) == before
    answers(cloud, demo, "mover")


def test_an_image_is_made_of_a_guest_on_the_other_host(world):
    cloud, _, _ = world
    made = cloud.openstack("server image create mover --name copied --wait")
    assert cloud.openstack(f"image show {made['id']}")["status"] == "active"
    cloud.openstack("image delete copied")


def test_a_guest_of_a_lost_host_is_made_anew_and_ends_there_when_that_is_back(world):
    cloud, host, demo = world
    own, id, address = host_of(cloud, "demo"), Guest(cloud, "mover").show()["id"], address_of(cloud, "mover")
    before = digests(cloud)[-1]
    (left,) = qemus_of(host)
    host.kill9()
    host.until("down")
    cloud.openstack(f"--os-compute-api-version 2.68 server evacuate {id}", as_="admin")
    until(lambda: host_of(cloud, "mover") == own, "it has left", 60, 1)
    settled(cloud, "mover", "ACTIVE")
    assert address_of(cloud, "mover") == address and id in ours(cloud)
    assert qemus_of(host) == {left}  # Cut off, it runs on; its port is bound elsewhere, so it reaches nobody.
    assert booted(cloud) != before  # Its disk was lost with the host.
    answers(cloud, demo, "mover")
    host.rejoin()
    until(lambda: not qemus_of(host), "what was left there has ended", 90)
    host.until("up")
    answers(cloud, demo, "mover")
    delete(cloud, "mover")

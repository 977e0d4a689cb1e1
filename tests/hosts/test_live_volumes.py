"""Real guests that take volumes along while they run: the next host writes on where the last one stopped, and no word is lost."""

import re

import pytest
from tests.clients.cloud import running_cloud, until
from tests.hosts.first_light import REAL, Guest
from tests.hosts.joined import machine
from tests.hosts.test_join import host_of, make_guest, qemus_of

from pileus.main.processes import servers_of

pytestmark = [pytest.mark.host, pytest.mark.client, pytest.mark.scale, pytest.mark.timeout(1800),
              pytest.mark.filterwarnings("default")]  # fmt: skip

# Every second it writes the next number on its last disk, and tells all numbers it finds there that are not as it wrote them.
WRITER = """#!/bin/sh
token=$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \\n')
n=0
disk=/dev/vda
while true; do
  if [ $disk = /dev/vda ] && [ -b /dev/vdb ]; then
    disk=/dev/vdb
    n=0
  fi
  n=$((n + 1))
  printf '%7d\\n' $n | dd of=$disk bs=8 seek=$((65536000 + n)) count=1 conv=notrunc 2>/tmp/said || cat /tmp/said > /dev/console
  sync
  echo 3 > /proc/sys/vm/drop_caches
  bad=$(dd if=$disk bs=8 skip=65536001 count=$n 2>/dev/null | awk '$1 + 0 != NR' | wc -l)
  echo "wrote $token $n $disk bad $bad" > /dev/console
  sleep 1
done &
"""
WROTE = re.compile(r"wrote ([0-9a-f]{16}) (\d+) (/dev/vd[ab]) bad (\d+)")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A cloud of two hosts that have the same directory of volumes; `mover` has a volume, `lifted` boots from one."""
    shared = tmp_path_factory.mktemp("shared")
    shared.chmod(0o755)
    (shared / ".pileus-volumes").write_text("one-store")
    options = f'[volume_backends.shared]\ndriver = "shared"\npath = "{shared}"\n'
    config = shared / "options.toml"
    config.write_text(options)
    given = (*REAL, "--config", str(config))
    with running_cloud(*given, arguments=("--demo",)) as cloud, machine(cloud, "b", far=True) as host:
        (host.path / "config.toml").write_text(options)
        host.join()
        script = cloud.path / "writer.sh"
        script.write_text(WRITER)
        make_guest(cloud, "lifted", "b", f"--boot-from-volume 1 --user-data {script}")
        make_guest(cloud, "mover", "b", f"--user-data {script}")
        until(lambda: len(pools(cloud)) == 2, "both hosts have the directory", 120, 1)
        cloud.openstack("volume create --size 1 kept")
        until(lambda: cloud.openstack("volume show kept")["status"] == "available", "the volume is there", 120, 1)
        cloud.openstack("server add volume mover kept")
        until(lambda: wrote(cloud, "mover", "/dev/vdb"), "mover writes on its volume", 240, 1)
        until(lambda: wrote(cloud, "lifted"), "lifted writes on its volume", 240, 1)
        yield cloud, host
        cloud.openstack("server delete lifted mover --wait")
        host.destroy()


def pools(cloud):
    return cloud.openstack("volume backend pool list", as_="admin")


def wrote(cloud, name, disk=""):
    """What the guest told since it is on the host it is on: token, number, disk, how many numbers were wrong."""
    return [found for found in WROTE.findall(Guest(cloud, name).console()) if disk in found[2]]


def migrate(cloud, name, *more):
    id = Guest(cloud, name).show()["id"]
    words = f"--os-compute-api-version 2.90 server migrate {id} --live-migration {' '.join(more)}"
    cloud.openstack(words, as_="admin")
    return id


def settled_at(cloud, name, host):
    until(
        lambda: Guest(cloud, name).show()["status"] == "ACTIVE" and host_of(cloud, name) == host,
        f"{name} is on {host}", 240, 0.5,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["mover", "lifted"])
def test_it_goes_there_and_back_and_writes_on(world, name):
    cloud, host = world
    own = host_of(cloud, "demo")
    token, before, disk, bad = wrote(cloud, name)[-1]
    assert bad == "0"
    count = len(qemus_of(host))
    for target, expected in ((own, count - 1), ("b", count)):
        id = migrate(cloud, name, "--host", target)
        settled_at(cloud, name, target)
        seen = until(lambda: len(found := wrote(cloud, name)) > 2 and found, "it writes there", 120, 1)
        assert {(token, disk, "0")} == {(of, on, wrong) for of, _, on, wrong in seen}, Guest(cloud, name).console()[
            -2500:
        ]
        assert int(before) < int(seen[-1][1])
        before = seen[-1][1]
        here = {id for id, _ in servers_of(cloud.state)}
        assert (len(qemus_of(host)), id in here) == (expected, target == own)
        (held,) = [v for v in cloud.openstack("volume list --long") if id in str(v["Attached to"])]
        attached = cloud.openstack(f"volume show {held['ID']}", as_="admin")["attachments"]
        assert [target] == [each["host_name"] for each in attached]


def test_it_can_be_let_go_of_after_that(world):
    cloud, _ = world
    cloud.openstack("server remove volume mover kept")
    until(lambda: cloud.openstack("volume show kept")["status"] == "available", "the volume is free", 120, 1)


def test_an_agent_killed_on_the_way_costs_the_volume_nothing(world):
    cloud, host = world
    name = "lifted"
    if host_of(cloud, name) != "b":
        migrate(cloud, name, "--host", "b")
        settled_at(cloud, name, "b")
    token = wrote(cloud, name)[-1][0]
    migrate(cloud, name)
    host.kill9()
    host.rejoin()
    host.until("up")
    until(lambda: Guest(cloud, name).show()["status"] == "ACTIVE", f"{name} is active", 240, 0.5)
    seen = until(lambda: len(found := wrote(cloud, name)) > 2 and found, "it writes on", 120, 1)
    assert {(token, "0")} == {(of, wrong) for of, _, _, wrong in seen}
    where = host_of(cloud, name)
    attached = [v for v in cloud.openstack("volume list --long") if Guest(cloud, name).show()["id"] in str(v)]
    held = cloud.openstack(f"volume show {attached[0]['ID']}", as_="admin")["attachments"]
    assert [where] == [each["host_name"] for each in held]

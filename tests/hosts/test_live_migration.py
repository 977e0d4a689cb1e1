"""Real guests that go from one machine to another while they run: they go on counting, and answer where they were asked."""

import re

import pytest
from tests.clients.cloud import running_cloud, until
from tests.hosts.first_light import REAL, Guest
from tests.hosts.joined import machine
from tests.hosts.test_join import address_of, delete, host_of, make_guest, qemus_of

from pileus.main.processes import servers_of

pytestmark = [pytest.mark.host, pytest.mark.client, pytest.mark.scale, pytest.mark.timeout(1800),
              pytest.mark.filterwarnings("default")]  # fmt: skip

# It tells a number that is in its memory only, how often it has told it, and the digest of what it wrote on its disk.
COUNTER = """#!/bin/sh
token=$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \\n')
dd if=/dev/urandom of=/dev/vda bs=64k seek=8000 count=64 conv=notrunc 2>/dev/null
sync
n=0
while true; do
  n=$((n + 1))
  echo "count $token $n $(dd if=/dev/vda bs=64k skip=8000 count=64 iflag=direct 2>/dev/null | sha256sum | head -c 16)" > /dev/console
  sleep 1
done &
"""
ENDED = ("completed", "failed", "error", "cancelled")
COUNT = re.compile(r"count ([0-9a-f]{16}) (\d+) ([0-9a-f]{16})")


@pytest.fixture(scope="module")
def world():
    """A demonstration cloud and a second host, with a guest named `mover` on that, which counts."""
    with running_cloud(*REAL, arguments=("--demo",)) as cloud, machine(cloud, "b", far=True) as host:
        host.join()
        script = cloud.path / "counter.sh"
        script.write_text(COUNTER)
        make_guest(cloud, "mover", "b", f"--user-data {script}")
        until(lambda: counts(cloud), "the guest counts", 240, 1)
        yield cloud, host, Guest(cloud)
        delete(cloud, "mover")
        host.destroy()


def counts(cloud):
    """What the guest has told since it is on the host it is on."""
    return COUNT.findall(Guest(cloud, "mover").console())


def migrate(cloud, *more):
    id = Guest(cloud, "mover").show()["id"]
    words = f"--os-compute-api-version 2.90 server migrate {id} --live-migration {' '.join(more)}"
    cloud.openstack(words, as_="admin")
    return id


def settled_at(cloud, host):
    """It has gone there, however long that takes; one that failed on the way says why."""
    ended = until(lambda: (found := last_migration(cloud)["Status"]) in ENDED and found, "it has ended", 480, 0.5)
    until(lambda: Guest(cloud, "mover").show()["status"] == "ACTIVE", "mover is active", 120, 0.5)
    assert ("completed", host) == (ended, host_of(cloud, "mover")), cloud.state.log.read_text(errors="replace")[-4000:]


def answers(cloud, demo):
    """Another guest on the network reaches it, in long packets too."""
    ping = f"ping -c 3 -s 1400 {address_of(cloud, 'mover')} || true"
    until(lambda: "3 packets received" in demo.ssh(ping), "mover answers", 120, 1)


def last_migration(cloud):
    found = cloud.openstack("--os-compute-api-version 2.59 server migration list", as_="admin")
    return found[0]


def test_a_guest_goes_there_and_back_and_never_stops_counting(world):
    cloud, host, demo = world
    own = host_of(cloud, "demo")
    token, before, digest = counts(cloud)[-1]
    answers(cloud, demo)
    for target in (own, "b"):
        id = migrate(cloud)
        settled_at(cloud, target)
        seen = until(lambda: counts(cloud), "it counts there", 120, 1)
        assert {(token, digest)} == {(of, on_disk) for of, _, on_disk in seen}
        assert int(seen[0][1]) <= int(before) + 120  # It went on from there, and did not begin anew.
        assert int(seen[0][1]) > 1
        before = seen[-1][1]
        answers(cloud, demo)
        here = {id for id, _ in servers_of(cloud.state)}
        assert (len(qemus_of(host)), id in here) == ((0, True) if target == own else (1, False))
        left = host if target == own else cloud
        assert not (left.state.path / "servers" / id).exists()
        assert last_migration(cloud)["Status"] == "completed"


def test_one_that_is_given_up_runs_on_where_it_is(world):
    cloud, host, demo = world
    token, _, _ = counts(cloud)[-1]
    before = qemus_of(host)
    id = migrate(cloud)
    listed = f"--os-compute-api-version 2.80 server migration list --server {id} --status running"

    def abort():
        found = cloud.openstack(listed, as_="admin")
        if not found:
            return False
        cloud.openstack(f"--os-compute-api-version 2.80 server migration abort {id} {found[0]['Id']}", as_="admin")
        return True

    if until(
        lambda: abort() or last_migration(cloud)["Status"] == "completed", "it is given up, or too late", 120, 0.1
    ):
        until(lambda: Guest(cloud, "mover").show()["status"] == "ACTIVE", "mover is active", 120, 0.5)
    where = host_of(cloud, "mover")
    assert last_migration(cloud)["Status"] == ("cancelled" if where == "b" else "completed")
    if where == "b":
        assert qemus_of(host) == before
    assert until(lambda: counts(cloud), "it counts on", 60, 1)[-1][0] == token
    answers(cloud, demo)


def test_a_killed_agent_on_the_way_costs_the_guest_nothing(world):
    cloud, host, demo = world
    if host_of(cloud, "mover") != "b":
        migrate(cloud)
        settled_at(cloud, "b")
    token, _, _ = counts(cloud)[-1]
    before = qemus_of(host)
    migrate(cloud)
    host.kill9()
    assert qemus_of(host) == before
    host.rejoin()
    host.until("up")
    until(lambda: last_migration(cloud)["Status"] in ENDED, "it has ended", 180, 1)
    settled = last_migration(cloud)["Status"] != "completed"
    until(lambda: Guest(cloud, "mover").show()["status"] == "ACTIVE", "mover is active", 120, 0.5)
    assert (len(qemus_of(host)) == 1) == settled
    assert until(lambda: counts(cloud), "it counts on", 60, 1)[-1][0] == token
    answers(cloud, demo)

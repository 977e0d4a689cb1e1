"""Two machines, one cloud: real guests on both, one network across a tunnel, and what happens when the second one fails."""

import json
import os
import shutil
import signal
import subprocess

import pytest
from tests.clients.cloud import running_cloud, until
from tests.hosts.first_light import REAL, Guest, heard, open_console
from tests.hosts.joined import machine

pytestmark = [pytest.mark.host, pytest.mark.client, pytest.mark.timeout(600), pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A demonstration cloud and a second host with a guest named `far` on the demonstration's network."""
    with running_cloud(*REAL, arguments=("--demo",)) as cloud, machine(cloud, "b", far=True) as host:
        host.join()
        make_guest(cloud, "far", "b")
        yield cloud, host, Guest(cloud)
        delete(cloud, "far")
        kept = shutil.copytree(host.path / "keys", tmp_path_factory.mktemp("kept"), dirs_exist_ok=True)
        host.destroy()
        cloud.pileus("host", "remove", "b")
        assert "Chassis b" not in southbound(cloud)
        # Whoever kept a copy of its key and certificate is no host by that any more.
        assert as_host(cloud, host, kept, "show").returncode != 0
        assert "Chassis b" not in southbound(cloud)


def make_guest(cloud, name, host, more=""):
    """A guest on that host, once it is ready; it may be pinged and asked by HTTP."""
    group = next(g["ID"] for g in cloud.openstack("security group list") if g["Name"] != "default")
    line = f"server create {name} --flavor m1.nano --image pileus-guest --network demo --security-group {group} --wait"
    others = [h["Host"] for h in cloud.openstack("compute service list", as_="admin") if h["Host"] != host]
    for other in others:
        cloud.pileus("host", "drain", other, "--keep")
    try:
        cloud.openstack(f"{line} {more}")
    finally:
        for other in others:
            cloud.pileus("host", "drain", other, "--off")
    try:
        until(lambda: "ready after" in Guest(cloud, name).console(), f"guest {name} is ready", 360, 1)
    except AssertionError as late:
        raise AssertionError(Guest(cloud, name).console()[-2000:]) from late


def delete(cloud, *names):
    cloud.openstack(f"server delete {' '.join(names)} --wait")


def address_of(cloud, name):
    """The guest's address on the demonstration's network."""
    return cloud.openstack(f"server show {name}")["addresses"]["demo"][0]


def southbound(cloud):
    argv = ["ovn-sbctl", f"--db=unix:{cloud.path}/ovn/run/db.sock", "show"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def as_host(cloud, host, keys, *command):
    """What OVN says to a command that is run with the host's own certificate, by the way its ovn-controller takes."""
    address, port = host.cloud_address()
    own = [f"--private-key={keys}/host.key", f"--certificate={keys}/host.pem", f"--ca-cert={cloud.path}/ca.pem"]
    argv = ["ovn-sbctl", "--no-leader-only", f"--db=ssl:{address}:{port + 1}", "--timeout=20", *own, *command]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def host_of(cloud, name):
    found = cloud.openstack("server list --all-projects --long", as_="admin")
    return next(server["Host"] for server in found if server["Name"] == name)


def qemus_of(host):
    """The processes of the host's guests."""
    from pileus.main.processes import servers_of

    return {running.pid for _, running in servers_of(host.state)}


def test_the_guest_runs_there_and_has_address_metadata_and_console(world):
    cloud, host, _ = world
    assert host_of(cloud, "far") == "b" and len(qemus_of(host)) == 1
    found = cloud.openstack("hypervisor list", as_="admin")
    assert [hypervisor["State"] for hypervisor in found] == ["up", "up"]
    said = Guest(cloud, "far").console()
    assert "metadata ok" in said and f"network up eth0 {address_of(cloud, 'far')}" in said


def test_guests_on_both_hosts_talk_in_both_directions_and_in_long_packets(world):
    cloud, _, demo = world
    far = address_of(cloud, "far")
    assert "3 packets received" in demo.ssh(f"ping -c 3 -s 1400 {far}")
    assert "<h1>far</h1>" in demo.ssh(f"wget -q -O - http://{far}/")
    near = address_of(cloud, "demo")
    with open_console(Guest(cloud, "far").console_url("serial")) as console:
        heard(console, b"login:", b"\n")
        heard(console, b"assword:", b"pileus\n")
        console.send(b"pileus\n")
        heard(console, b"$ ")
        heard(console, b"<h1>demo</h1>", f"wget -q -O - http://{near}/ | grep h1\n".encode())


def test_a_host_writes_the_rows_of_its_own_chassis_and_no_others(world):
    cloud, host, _ = world
    keys = host.path / "keys"
    own = as_host(cloud, host, keys, "set", "Chassis", "b", "other_config:mark=own")
    assert own.returncode == 0, own.stderr
    (other,) = {
        line.split()[1].strip(chr(34)) for line in southbound(cloud).splitlines() if line.startswith("Chassis")
    } - {"b"}
    for command in (
        ("set", "Chassis", other, "other_config:mark=stolen"),
        ("chassis-del", other),
        ("chassis-add", "invented", "geneve", "192.0.2.1"),
        ("create", "Datapath_Binding", "tunnel_key=77"),
    ):
        said = as_host(cloud, host, keys, *command)
        assert said.returncode != 0 and "RBAC" in said.stderr, (command, said)
    assert "stolen" not in as_host(cloud, host, keys, "list", "Chassis").stdout


def test_a_floating_ip_reaches_the_guest_there(world):
    cloud, _, _ = world
    made = cloud.openstack("floating ip create public")
    try:
        cloud.openstack(f"server add floating ip far {made['floating_ip_address']}")

        def look():
            argv = ["curl", "-s", "-m", "3", f"http://{made['floating_ip_address']}/"]
            return "<h1>far</h1>" in subprocess.run(argv, capture_output=True, text=True, check=False).stdout

        until(look, "the floating IP answers", 60, 1)
    finally:
        cloud.openstack(f"floating ip delete {made['id']}")


def test_a_killed_agent_is_seen_its_guest_runs_on_and_is_adopted(world):
    cloud, host, demo = world
    before = qemus_of(host)
    host.kill9()
    host.until("down")
    assert "<h1>far</h1>" in demo.ssh(f"wget -q -O - http://{address_of(cloud, 'far')}/")
    host.rejoin()
    host.until("up")
    assert qemus_of(host) == before
    assert "ready after" in Guest(cloud, "far").console()


def test_a_hung_agent_is_seen_and_does_what_waited_once_when_it_goes_on(world):
    cloud, host, _ = world
    make_guest(cloud, "hung", "b")
    before = qemus_of(host)
    agent = host.state.pid()
    os.kill(agent, signal.SIGSTOP)
    try:
        host.until("down")
        make_guest(cloud, "elsewhere", host_of(cloud, "demo"))
        cloud.openstack("server stop hung")
        assert qemus_of(host) == before
    finally:
        os.kill(agent, signal.SIGCONT)
    host.until("up")
    status = lambda: cloud.openstack("server show hung")["status"]  # noqa: E731
    until(lambda: status() == "SHUTOFF", "what waited is done", 90, 1)
    assert len(qemus_of(host)) == len(before) - 1 and qemus_of(host) < before
    told = cloud.openstack("server event list hung")
    assert [event["Action"] for event in told].count("stop") == 1
    delete(cloud, "hung", "elsewhere")


def test_a_cut_cable_is_seen_and_healed_and_nothing_runs_twice(world):
    cloud, host, demo = world
    before = qemus_of(host)
    host.cable.cut()
    try:
        host.until("down")
        make_guest(cloud, "other", host_of(cloud, "demo"))
        assert host_of(cloud, "other") != "b"
    finally:
        host.cable.heal()
    host.until("up")
    far = address_of(cloud, "far")
    until(lambda: "<h1>far</h1>" in demo.ssh(f"wget -q -O - http://{far}/ || true"), "traffic flows again", 60, 1)
    assert qemus_of(host) == before
    delete(cloud, "other")


def test_what_is_deleted_while_the_host_is_away_goes_when_it_is_back(world):
    cloud, host, _ = world
    make_guest(cloud, "doomed", "b")
    assert len(qemus_of(host)) == 2
    host.kill9()
    cloud.openstack("server delete doomed")
    host.rejoin()
    until(lambda: len(qemus_of(host)) == 1, "the deleted guest is gone", 90)
    until(lambda: "doomed" not in json.dumps(cloud.openstack("server list")), "it is not listed any more", 90)

"""Real guests that move between two machines, standing still: their bytes go along, and nothing runs twice."""

import contextlib

import pytest
from tests.clients.cloud import running_cloud, until
from tests.hosts.first_light import REAL, Guest, heard, open_console
from tests.hosts.joined import machine
from tests.hosts.test_join import address_of, delete, host_of, make_guest, qemus_of

from pileus.main.processes import servers_of

pytestmark = [pytest.mark.host, pytest.mark.client, pytest.mark.scale, pytest.mark.timeout(900),
              pytest.mark.filterwarnings("default")]  # fmt: skip

WRITE = "dd if=/dev/urandom of=/dev/vda bs=64k seek=8000 count=64 conv=notrunc 2>/dev/null; sync"
READ = "dd if=/dev/vda bs=64k skip=8000 count=64 2>/dev/null | sha256sum"


@pytest.fixture(scope="module")
def world():
    """A demonstration cloud and a second host with a guest named `mover` on the demonstration's network."""
    with running_cloud(*REAL, arguments=("--demo",)) as cloud, machine(cloud, "b", far=True) as host:
        host.join()
        make_guest(cloud, "mover", "b")
        yield cloud, host, Guest(cloud)
        host.destroy()


@contextlib.contextmanager
def shell(cloud, name):
    """What root says on the guest's serial console, and what that prints."""
    with open_console(Guest(cloud, name).console_url("serial")) as console:
        log_in(console)

        def say(command):
            console.send(f"echo beg''in; {command}; echo e''nd\n".encode())
            heard(console, b"begin")
            return heard(console, b"end", deadline_s=120).decode()

        yield say
        console.send(b"exit\n")


def log_in(console):
    """Root has a prompt. A prompt for a name drops what was typed before it, so it may take more than once."""
    for patience in (10, 10, 20, 40):
        heard(console, b"login:", b"\n", 120)
        console.send(b"root\n")
        with contextlib.suppress(AssertionError):
            heard(console, b"assword:", deadline_s=patience)
            console.send(b"pileus\n")
            heard(console, b"# ", deadline_s=patience)
            return
    pytest.fail("nobody could log in")


def digest(cloud, name):
    with shell(cloud, name) as say:
        return say(READ).split()[0]


def settled(cloud, name, status):
    until(lambda: Guest(cloud, name).show()["status"] == status, f"{name} is {status}", 240, 1)


def answers(cloud, demo, name):
    page = f"wget -q -T 5 -O - http://{address_of(cloud, name)}/ || true"
    until(lambda: f"<h1>{name}</h1>" in demo.ssh(page), f"{name} answers", 240, 2)


def ours(cloud):
    """The processes of guests on the controller's machine, by server."""
    return {id: running.pid for id, running in servers_of(cloud.state)}


def test_a_guest_takes_its_bytes_to_the_other_host_and_may_come_back(world):
    cloud, host, demo = world
    own, id = host_of(cloud, "demo"), Guest(cloud, "mover").show()["id"]
    with shell(cloud, "mover") as say:
        say(WRITE)
    before = digest(cloud, "mover")
    cloud.openstack(f"server migrate {id}", as_="admin")
    settled(cloud, "mover", "VERIFY_RESIZE")
    assert host_of(cloud, "mover") == own
    assert (not qemus_of(host)) and id in ours(cloud)
    assert digest(cloud, "mover") == before
    answers(cloud, demo, "mover")
    cloud.openstack(f"server migration revert {id}", as_="admin")
    settled(cloud, "mover", "ACTIVE")
    assert host_of(cloud, "mover") == "b"
    assert len(qemus_of(host)) == 1 and id not in ours(cloud)
    assert digest(cloud, "mover") == before
    answers(cloud, demo, "mover")


def test_an_image_is_made_of_a_guest_on_the_other_host(world):
    cloud, _, _ = world
    made = cloud.openstack("server image create mover --name copied --wait")
    assert cloud.openstack(f"image show {made['id']}")["status"] == "active"
    cloud.openstack("image delete copied")


def test_a_guest_of_a_lost_host_is_made_anew_and_ends_there_when_that_is_back(world):
    cloud, host, demo = world
    own, id, address = host_of(cloud, "demo"), Guest(cloud, "mover").show()["id"], address_of(cloud, "mover")
    (left,) = qemus_of(host)
    host.kill9()
    host.until("down", 30)
    cloud.openstack(f"--os-compute-api-version 2.68 server evacuate {id}", as_="admin")
    until(lambda: host_of(cloud, "mover") == own, "it has left", 60, 1)
    settled(cloud, "mover", "ACTIVE")
    assert address_of(cloud, "mover") == address and id in ours(cloud)
    assert qemus_of(host) == {left}  # Cut off, it runs on; its port is bound elsewhere, so it reaches nobody.
    answers(cloud, demo, "mover")
    host.rejoin()
    until(lambda: not qemus_of(host), "what was left there has ended", 60)
    host.until("up", 30)
    answers(cloud, demo, "mover")
    delete(cloud, "mover")

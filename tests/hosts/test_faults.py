"""Faults on a real cloud: QEMU, OVN and the cloud's process are killed or hung, links are deleted; each time it comes back."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.clients.cloud import RunningCloud, running_cloud, until
from tests.hosts.first_light import REAL

from pileus.guest.sector import boot_sector
from pileus.kit.bus import LocalBus
from pileus.kit.observe.events import Events
from pileus.main.opened import opened
from pileus.main.processes import daemons_of, servers_of
from pileus.main.settings import settings_of

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

RUNNING, CRASHED = 1, 6  # power states
COMPUTE = {"OpenStack-API-Version": "compute 2.90"}


class Server:
    """A server of the admin, by the API."""

    def __init__(self, cloud: RunningCloud, id: str) -> None:
        self.cloud = cloud
        self.id = id

    def show(self) -> dict[str, Any]:
        return dict(
            self.cloud.ask("GET", f"/compute/v2.1/servers/{self.id}", as_="admin", headers=COMPUTE).json["server"]
        )

    def act(self, **action: Any) -> int:
        named = {name.replace("_", "-"): value for name, value in action.items()}
        path = f"/compute/v2.1/servers/{self.id}/action"
        return self.cloud.ask("POST", path, named, as_="admin", headers=COMPUTE).status

    def until(self, status: str, deadline_s: float = 90) -> float:
        """How long it took until it is in this state and nothing is under way."""
        began = time.monotonic()
        until(
            lambda: (s := self.show())["status"] == status and not s["OS-EXT-STS:task_state"],
            f"it is {status}",
            deadline_s,
            0.1,
        )
        return time.monotonic() - began

    def port(self) -> dict[str, Any]:
        """Its one port."""
        found = self.cloud.ask("GET", f"/network/v2.0/ports?device_id={self.id}", as_="admin").json["ports"]
        return dict(found[0])

    @property
    def pid(self) -> int:
        return dict(servers_of(self.cloud.state))[self.id].pid


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    """A real cloud."""
    with running_cloud(*REAL) as made:
        yield made


@pytest.fixture(scope="module")
def network(cloud: RunningCloud) -> str:
    """A network with a subnet."""
    ask = cloud.ask
    made = ask("POST", "/network/v2.0/networks", {"network": {"name": "faults"}}, as_="admin").json["network"]["id"]
    subnet = {"network_id": made, "ip_version": 4, "cidr": "10.67.0.0/24"}
    assert ask("POST", "/network/v2.0/subnets", {"subnet": subnet}, as_="admin").status == 201
    return str(made)


@pytest.fixture(scope="module")
def server(cloud: RunningCloud, network: str) -> Server:
    """A server that runs the built-in guest."""
    return a_server(cloud, "faults", network, cloud.ask("GET", "/image/v2/images", as_="admin").json["images"][0]["id"])


def a_server(cloud: RunningCloud, name: str, network: str, image: str) -> Server:
    """A server that runs."""
    about = {"name": name, "flavorRef": "1", "imageRef": image, "networks": [{"uuid": network}]}
    made = cloud.ask("POST", "/compute/v2.1/servers", {"server": about}, as_="admin", headers=COMPUTE)
    assert made.status == 202, made
    found = Server(cloud, made.json["server"]["id"])
    found.until("ACTIVE", 120)
    return found


def _crashes(server: Server) -> list[str]:
    """Why it ended each time that it did by itself."""

    async def read() -> list[str]:
        state = server.cloud.state
        async with opened(state, settings_of(state, {}).options) as db:
            told = await Events(db, LocalBus()).of_subject(f"server:{server.id}")
        return [str(event.payload.get("why")).partition(";")[0] for event in told if event.kind == "server.crashed"]

    return asyncio.run(read())


def _why(server: Server, action: str) -> str:
    """Why the last such action failed, as an admin reads it; of what QEMU said, the first words."""
    path = f"/compute/v2.1/servers/{server.id}/os-instance-actions"
    latest = {"OpenStack-API-Version": "compute 2.90"}
    found = server.cloud.ask("GET", path, as_="admin", headers=latest).json["instanceActions"]
    (last, *_) = [each["request_id"] for each in found if each["action"] == action]
    shown = server.cloud.ask("GET", f"{path}/{last}", as_="admin", headers=latest).json["instanceAction"]
    return next(str(each["details"]).partition(":")[0] for each in shown["events"] if each["details"])


def well(cloud: RunningCloud) -> bool:
    """Whether all that the cloud stands on is well."""
    try:
        return cloud.ask("GET", "/healthcheck?detailed=1").status == 200
    except OSError:
        return False


def test_flt010_qemu_outlives_the_cloud_and_is_taken_up_again(cloud: RunningCloud, server: Server) -> None:
    pid = server.pid
    cloud.kill9()
    os.kill(pid, 0)
    began = time.monotonic()
    cloud.up()
    until(lambda: well(cloud), "the cloud is well again")
    print(f"answers again after {time.monotonic() - began:.1f} s")
    assert server.show()["status"] == "ACTIVE"
    assert server.pid == pid


def test_flt014_a_killed_qemu_is_shown_and_starts_again(server: Server) -> None:
    os.kill(server.pid, signal.SIGKILL)
    print(f"shown after {server.until('SHUTOFF'):.1f} s")  # within 5 s, where the machine has nothing else to do
    assert server.act(os_start=None) == 202
    server.until("ACTIVE")


def test_flt015_a_hung_qemu_hangs_nobody_else_and_a_hard_reboot_helps(cloud: RunningCloud, server: Server) -> None:
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert cloud.ask("GET", "/compute/v2.1/servers/detail", as_="admin").status == 200
        assert server.act(pause=None) == 202
        server.until("ACTIVE")
        assert _why(server, "pause") == "QEMU does not answer"
        assert server.act(reboot={"type": "HARD"}) == 202
        server.until("ACTIVE")
        assert server.pid != pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_flt035_036_every_ovn_daemon_is_killed_and_comes_back(cloud: RunningCloud, server: Server) -> None:
    killed = 0
    for name, daemon in daemons_of(cloud.state):
        if daemon is None:
            continue
        os.kill(daemon.pid, signal.SIGKILL)
        killed += 1

        def back(name: str = name, pid: int = daemon.pid) -> bool:
            now = dict(daemons_of(cloud.state)).get(name)
            return now is not None and now.pid != pid

        until(back, f"{name} runs again")
    until(lambda: "All is well" in _doctor(cloud), "the doctor finds nothing", 90, 1)
    assert killed >= 4
    assert server.show()["status"] == "ACTIVE"
    print(f"{killed} daemons killed")


def test_flt016_a_guest_that_panics_or_powers_off_is_shown_so_and_told(cloud: RunningCloud, network: str) -> None:
    ask = cloud.ask
    about = {"name": "sector", "disk_format": "raw", "container_format": "bare"}
    image = ask("POST", "/image/v2/images", about, as_="admin").json["id"]
    headers = {"Content-Type": "application/octet-stream"}
    assert ask("PUT", f"/image/v2/images/{image}/file", boot_sector(), as_="admin", headers=headers).status == 204
    sector = a_server(cloud, "sector", network, image)
    pid = sector.pid
    with contextlib.closing(_serial(cloud, sector.id)) as line:
        _wait_for_echo(line, b"1")
        line.sendall(b"^")
        until(lambda: sector.show()["OS-EXT-STS:power_state"] == CRASHED, "the panic is shown", 60, 0.1)
        line.sendall(b"~")
        until(lambda: sector.show()["OS-EXT-STS:power_state"] == RUNNING, "it runs again", 60, 0.1)
        _wait_for_echo(line, b"2")
        line.sendall(b"!")
        print(f"shown after {sector.until('SHUTOFF'):.1f} s")
    assert sector.act(os_start=None) == 202
    sector.until("ACTIVE")
    assert sector.pid != pid
    os.kill(sector.pid, signal.SIGKILL)
    until(lambda: "killed by signal 9 (SIGKILL)" in _crashes(sector), "why it ended is told", 60, 0.2)
    assert sector.act(os_start=None) == 202
    sector.until("ACTIVE")
    os.kill(sector.pid, signal.SIGSTOP)  # one that hangs is deleted as well
    assert ask("DELETE", f"/compute/v2.1/servers/{sector.id}", as_="admin").status == 204
    until(lambda: "All is well" in _doctor(cloud), "the doctor finds nothing", 60, 0.5)


def _wait_for_echo(line: socket.socket, letter: bytes) -> None:
    """The guest is up: it answers what is typed now, a letter that was not typed before. What it said until then is lost."""

    def typed() -> bool:
        line.sendall(letter)
        try:
            return letter in line.recv(4096)
        except TimeoutError:
            return False

    line.settimeout(1)
    until(typed, "the guest echoes", 60, 0)


def _serial(cloud: RunningCloud, id: str) -> socket.socket:
    """A server's serial line."""
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(30)
    line.connect(str(cloud.path / "servers" / id / "serial.sock"))
    return line


def test_flt068_a_tap_that_was_taken_away_is_plugged_again_and_the_guest_goes_on(
    cloud: RunningCloud, server: Server, network: str
) -> None:
    reached = reaching(cloud, server, network)
    until(reached, "the guest can be reached", 120, 0.5)
    pid, tap = server.pid, f"tap{server.port()['id'][:11]}"
    space, switch = f"pileus-{cloud.state.key}", f"--db=unix:{cloud.path}/ovn/run/db.sock"
    for what, how in (
        ("its link was deleted", ["ip", "-n", space, "link", "delete", tap]),
        ("it was taken off the switch", ["ovs-vsctl", switch, "del-port", "br-int", tap]),
    ):
        subprocess.run(how, check=True)
        assert not reached()
        began = time.monotonic()
        until(reached, f"the guest can be reached after {what}", 60, 0.2)
        print(f"{time.monotonic() - began:.1f} s after {what}")
        until(lambda: "All is well" in _doctor(cloud), "the doctor finds nothing", 60, 0.5)
    assert server.pid == pid
    assert "plugged again" in cloud.state.log.read_text()


def reaching(cloud: RunningCloud, server: Server, network: str) -> Callable[[], bool]:
    """Whether a ping from the network's metadata door comes back from the server."""
    project = server.show()["tenant_id"]
    groups = cloud.ask("GET", f"/network/v2.0/security-groups?project_id={project}", as_="admin").json[
        "security_groups"
    ]
    rule = {"security_group_id": groups[0]["id"], "direction": "ingress", "protocol": "icmp"}
    answer = cloud.ask("POST", "/network/v2.0/security-group-rules", {"security_group_rule": rule}, as_="admin")
    assert answer.status in {201, 409}, answer
    address = server.port()["fixed_ips"][0]["ip_address"]
    door = f"plm-{cloud.state.key}-{network}"
    argv = ["ip", "netns", "exec", door, "ping", "-c", "1", "-W", "1", address]
    return lambda: subprocess.run(argv, capture_output=True, check=False).returncode == 0


def test_flt069_what_was_edited_behind_our_back_is_found_and_mended(cloud: RunningCloud) -> None:
    space = f"pileus-{cloud.state.key}"
    subprocess.run(["ip", "-n", space, "tuntap", "add", "dev", "tap0f0f0f0f-00", "mode", "tap"], check=True)
    door = f"plm-{cloud.state.key}-0f0f0f0f-0000-4000-8000-000000000000"
    subprocess.run(["ip", "netns", "add", door], check=True)
    switch = f"--db=unix:{cloud.path}/ovn/run/db.sock"
    subprocess.run(
        ["ovn-nbctl", switch, "set", "Logical_Switch", _a_switch(switch), "external_ids:ours=edited"], check=True
    )
    said = _doctor(cloud)
    for code in ("tap.stranger", "door.stranger"):
        assert code in said, said
    cloud.pileus("doctor", "--fix")
    until(lambda: "All is well" in _doctor(cloud), "the doctor finds nothing", 90, 1)


def _a_switch(database: str) -> str:
    found = subprocess.run(["ovn-nbctl", database, "ls-list"], capture_output=True, text=True, check=True).stdout
    return found.split()[0]


def test_flt069_rows_deleted_from_ovn_come_back_by_themselves(
    cloud: RunningCloud, server: Server, network: str
) -> None:
    reached = reaching(cloud, server, network)
    until(reached, "the guest can be reached", 120, 0.5)
    switch = f"--db=unix:{cloud.path}/ovn/run/db.sock"
    subprocess.run(["ovn-nbctl", switch, "lsp-del", server.port()["id"]], check=True)
    began = time.monotonic()
    until(lambda: "All is well" in _doctor(cloud) and reached(), "it is as it was", 120, 0.5)
    print(f"mended after {time.monotonic() - began:.1f} s")


def test_flt070_a_second_process_on_the_same_state_refuses(cloud: RunningCloud) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "pileus.main.serve", str(cloud.path)], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
    )  # fmt: skip
    assert done.returncode == 1
    assert f"as process {cloud.state.pid()}" in done.stderr


def _doctor(cloud: RunningCloud) -> str:
    root = Path(__file__).resolve().parents[2]
    argv = [sys.executable, "-m", "pileus.main.cli", "doctor", "--state", str(cloud.path)]
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment).stdout

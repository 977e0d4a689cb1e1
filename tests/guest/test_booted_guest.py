"""What the built-in guest does once it runs: really booted, on an emulated processor."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

NAME = "try-1"
USER_DATA = b"#!/bin/sh\necho 'I was here' | tee -a /data/proof\n"
STOP_S = 5.0
BOOT_S = 240.0


class Machine(Protocol):
    """The running guest, as conftest's Machine has it."""

    def until(self, words: str, deadline_s: float = BOOT_S) -> None: ...
    def type(self, line: str) -> None: ...
    def ask(self, command: str, **arguments: object) -> None: ...
    def ssh(self, command: str, user: str = "root") -> str: ...
    def get(self, path: str) -> str: ...
    def ended(self, deadline_s: float) -> int: ...


Boot = Callable[..., Machine]


@pytest.fixture(scope="module")
def running(boot: Boot, metadata: Callable[[str, bytes], int]) -> Machine:
    """A guest that found its metadata and has run its user data, in little memory."""
    machine = boot("running", ram_mib=96, metadata_port=metadata(NAME, USER_DATA))
    for words in ("network up eth0 169.254.", "metadata ok", "ready", "user-data ended with 0"):
        machine.until(f"pileus-guest: {words}")
    return machine


def test_answers_on_the_web(running: Machine) -> None:
    assert f"<h1>{NAME}</h1>" in running.get("/")
    assert "eth0 169.254." in running.get("/")


def test_tells_who_it_is_and_what_disks_it_has(running: Machine) -> None:
    told = running.get("/cgi-bin/echo").splitlines()

    assert f"server uuid-of-{NAME}" in told
    assert any(line.startswith("disk vda ") for line in told)


@pytest.mark.parametrize("user", ["root", "pileus"])
def test_lets_in_whoever_has_the_key(running: Machine, user: str) -> None:
    assert f"{user}\n{NAME}\n" == running.ssh("whoami; hostname", user=user)


def test_has_run_the_user_data(running: Machine) -> None:
    assert "I was here\n" == running.ssh("cat /data/proof")


def test_puts_the_files_it_was_given_where_they_belong(running: Machine) -> None:
    assert "words\nthat were given\n" == running.ssh("cat /etc/given/words")


def test_lets_in_at_the_console_with_the_password(running: Machine) -> None:
    running.until("login: ")
    running.type("pileus")
    running.until("Password: ")
    running.type("pileus")
    running.until("$ ")
    running.type("id -u -n; exit")
    running.until("\npileus")


def test_takes_up_a_network_card_that_comes_later(running: Machine) -> None:
    running.ask("netdev_add", type="user", id="n1", net="10.7.0.0/24")
    running.ask("device_add", driver="virtio-net-pci", netdev="n1", id="late")
    running.until("pileus-guest: network up eth1 10.7.0.15")


def test_sees_a_disk_that_comes_later(running: Machine) -> None:
    running.ask("blockdev-add", **{"driver": "null-co", "node-name": "empty", "size": 1048576})
    running.ask("device_add", driver="virtio-blk-pci", drive="empty", id="more")
    wait = "for i in $(seq 50); do grep -q vdb /proc/partitions && break; usleep 100000; done"
    assert "vdb" in running.ssh(f"{wait}; cat /proc/partitions")


def test_understands_what_people_type_in_other_guests(running: Machine) -> None:
    as_user = "sudo -n id -u; sudo sh -c 'echo \"a  b\"'; sudo -u pileus id -un; sudo false; echo $?"
    assert "0\na  b\npileus\n1\n" == running.ssh(as_user, user="pileus")
    assert "vda" in running.ssh("lsblk -lb --nodeps")
    assert "vda" in running.ssh("lsblk --nodeps --noheadings --output NAME").splitlines()
    assert ["NAME TYPE", "vda disk", "vda1 part"] == running.ssh("lsblk -o NAME,TYPE").splitlines()[:3]
    made = "dd if=/dev/zero of=/mnt/disk bs=1M count=2 2>/dev/null; mkfs -t vfat /mnt/disk; grep -q FAT /mnt/disk && echo it"
    assert "it\n" == running.ssh(f"{made}; rm /mnt/disk")
    assert "/dev/vda2\n" == running.ssh("blkid -L pileus-data -o device")
    at = "http://169.254.169.254/openstack/latest"
    assert f"uuid-of-{NAME}" in running.ssh(f"curl -sS {at}/meta_data.json")
    assert "22\n" == running.ssh(f"curl {at}/nothing 2>/dev/null; echo $?")
    assert "2\n" == running.ssh(f"curl -X DELETE {at}/nothing 2>/dev/null; echo $?")


def test_takes_routes_mtu_and_name_servers_from_its_lease(running: Machine) -> None:
    routes = "169.254.169.254/32 169.254.0.9 192.0.2.0/24 0.0.0.0 0.0.0.0/0 169.254.2.2"
    lease = f"interface=eth0 ip=169.254.2.15 mask=16 mtu=1400 router=203.0.113.1 dns=192.0.2.53 staticroutes='{routes}'"
    lines = running.ssh(f"{lease} /usr/lib/guest/lease renew; ip route; cat /sys/class/net/eth0/mtu /etc/resolv.conf")

    assert "169.254.169.254 via 169.254.0.9 dev eth0" in lines
    assert "192.0.2.0/24 dev eth0 scope link" in lines
    assert "default via 169.254.2.2 dev eth0" in lines
    assert "203.0.113.1" not in lines
    assert "1400\nnameserver 192.0.2.53" in lines


def test_keeps_data_over_a_reboot_and_stops_at_the_power_button(
    boot: Boot, drive: Callable[[str, bytes], Path]
) -> None:
    iso = drive("kept", USER_DATA)
    devices: Sequence[str] = (
        "-drive",
        f"if=none,id=c0,file={iso},format=raw,readonly=on",
        "-device",
        "virtio-blk-pci,drive=c0",
    )
    machine = boot("kept", kind="q35", devices=devices)
    machine.until("metadata ok from config drive")
    machine.until("user-data ended with 0")

    machine.ssh("echo kept >/tmp/kept; echo too >/mnt/kept; reboot")
    machine.until("user-data ended with 0")
    assert "I was here\nI was here\n" == machine.ssh("cat /data/proof")
    assert "kept\ntoo\n1777\n" == machine.ssh("cat /tmp/kept /mnt/kept; stat -c %a /tmp")

    machine.ask("system_powerdown")
    machine.until("power button: stopping", STOP_S)
    assert 0 == machine.ended(STOP_S)


def test_boots_without_anyone_to_tell_it_anything(boot: Boot) -> None:
    machine = boot("alone")
    machine.until("metadata none")
    machine.until("ready")
    assert "<h1>pileus</h1>" in machine.get("/")

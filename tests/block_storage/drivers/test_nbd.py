"""Volumes served to other hosts: what programs are told; with the real ones, who gets at a volume, who not, and what a kill does."""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.block_storage.drivers.contract import a_disk
from tests.block_storage.drivers.files import OneImage
from tests.ports import free_port

from pileus.block_storage.agent.links import Doors, DoorSeen, Links, Listening
from pileus.block_storage.drivers import nbd
from pileus.block_storage.drivers.file import FileBackend
from pileus.block_storage.drivers.interface import DriverError, Kind
from pileus.block_storage.drivers.nbd import Daemons, Handed, Linked, Served
from pileus.block_storage.drivers.qcow2 import Format
from pileus.kit.jail import FIRST_UID

ID = "att-1"
KEYS = {"h2": "11" * 32, "h3": "22" * 32}


def test_what_the_programs_are_told() -> None:
    served = Served(id=ID, path="/v/a,b.raw", address="10.0.0.1", port=49500, peers=("h2",))
    words = nbd.serve(served, Handed("/v/a,b.raw", "/s/att-1"), Path("/s/att-1/pid"))
    assert "driver=file,node-name=file,filename=/v/a,,b.raw,discard=unmap" in words
    assert "/s/att-1/pid" in words
    assert "addr.type=inet,addr.host=10.0.0.1,addr.port=49500,tls-creds=tls" in words
    assert "tls-creds-psk,id=tls,endpoint=server,dir=/s/att-1" in words
    device = nbd.serve(
        Served(id=ID, path="/dev/vg/x", address="::1", port=1, peers=(), readonly=True),
        Handed("/dev/fd/7", "/dev/fd/8"),
    )
    assert "driver=host_device,node-name=file,filename=/dev/fd/7,discard=unmap,read-only=on" in device
    assert "tls-creds-psk,id=tls,endpoint=server,dir=/dev/fd/8" in device
    assert "--pidfile" not in device
    assert f"nbd,id=export,node-name=disk,name={ID},writable=off" in device
    words = nbd.link(Linked(id=ID, host="h2", address="10.0.0.1", port=49500), Path("/l/att-1"))
    assert "tls-creds-psk,id=tls,endpoint=client,username=h2,dir=/l/att-1" in words
    assert any(f"export={ID},tls-creds=tls,reconnect-delay=600" in word for word in words)
    assert not any(key in word for word in words for key in KEYS.values())


class AllKeys:
    """Keeps pileus.ports.volume_keys.LinkKeys."""

    def __init__(self, **keys: str) -> None:
        self.keys = KEYS | keys

    async def fetch(self, attachment_id: str) -> Mapping[str, str]:
        return self.keys


def status(pid: int) -> dict[str, list[str]]:
    """What the kernel tells of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}


async def as_user(user: str, groups: list[str], file: Path, *, by_path: bool) -> int:
    """How a program of that user ends that opens the file anew: 0 if it may."""
    handed = os.open(file, os.O_PATH)
    try:
        name = str(file) if by_path else f"/dev/fd/{handed}"
        words = ["setpriv", f"--reuid={user}", f"--regid={user}", f"--groups={','.join(groups)}", "head", "-c1", name]
        done = await asyncio.to_thread(subprocess.run, words, check=False, pass_fds=[handed], capture_output=True)
        return done.returncode
    finally:
        os.close(handed)


class Ways:
    """A volume of one host, and two others that want it."""

    def __init__(self, root: Path, format: Format = "raw") -> None:
        self.root, self.port = root, free_port()
        self.store = FileBackend("b", root / "volumes", OneImage(b""), format=format)
        self.disk = a_disk()
        self.doors = self.the_doors()
        self.links = {host: Links(host, root / host, AllKeys()) for host in KEYS}

    def the_doors(self) -> Doors:
        """Those of the volume's host, as its agent has them when it begins."""
        return Doors(self.root / "doors", Listening("127.0.0.1", self.port, self.port), {"b": self.store}, AllKeys())

    async def open(self, *peers: str, doors: Doors | None = None) -> DoorSeen:
        body = {"volume_id": self.disk.id, "backend": "b", "peers": list(peers)}
        return await (doors or self.doors).ensure(ID, body, 1)

    async def go(self, host: str = "h2", links: Links | None = None) -> Path:
        body: dict[str, Any] = {"address": "127.0.0.1", "port": self.port}
        seen = await (links or self.links[host]).ensure(ID, body, 1)
        assert seen.path is not None
        return Path(seen.path)

    def folder(self, id: str) -> Path:
        return self.root / "volumes" / Kind.VOLUME / id

    def bytes(self) -> bytes:
        (file,) = (self.root / "volumes" / Kind.VOLUME / self.disk.id).glob("*.raw")
        with file.open("rb") as disk:
            return os.pread(disk.fileno(), 8, 4096)

    def pid(self, kind: str) -> int:
        return int((self.root / kind / ID / "pid").read_text())

    def left(self) -> list[str]:
        """Programs and mounts that are there."""
        listed = subprocess.run(["ps", "-eo", "uid,args"], check=True, capture_output=True, text=True).stdout
        mounts = Path("/proc/self/mounts").read_text()
        user = str(Daemons(self.root, jailed=True).user(ID))
        served = [line for line in listed.splitlines() if line.split()[0] == user and "<defunct>" not in line]
        return served + [line for line in [*listed.splitlines(), *mounts.splitlines()] if str(self.root) in line]


def kill9(pid: int) -> None:
    """The process is gone without having had a chance to do anything."""
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        assert [handle] == select.select([handle], [], [], 60)[0]
    finally:
        os.close(handle)


async def write(file: Path, content: bytes) -> None:
    """In a thread: who waits for a volume whose host is away must not keep the test from ending."""
    async with asyncio.timeout(60):
        await asyncio.to_thread(_write, file, content)


def _write(file: Path, content: bytes) -> None:
    handle = os.open(file, os.O_RDWR)
    try:
        os.pwrite(handle, content, 4096)
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.asynccontextmanager
async def some_ways(root: Path, format: Format = "raw") -> AsyncIterator[Ways]:
    ways = Ways(root, format)
    try:
        await ways.store.ensure_disk(Kind.VOLUME, ways.disk)
        yield ways
    finally:
        for handler in (*ways.links.values(), ways.doors):
            await handler.ensure_gone(ID)
        await ways.store.close()
        assert [] == ways.left()


@pytest.mark.host
class TestWithTheStorageDaemon:
    async def test_what_is_written_far_away_is_on_the_volume_and_nobody_else_gets_in(self, tmp_path: Path) -> None:
        async with some_ways(tmp_path) as ways:
            assert DoorSeen(address="127.0.0.1", port=ways.port, peers=("h2",)) == await ways.open("h2")
            file = await ways.go()
            await write(file, b"precious")
            assert (b"precious", 2**30) == (ways.bytes(), file.stat().st_size)
            with pytest.raises(DriverError, match="TLS handshake"):
                await ways.go("h3")
            with pytest.raises(DriverError, match="TLS handshake"):
                await ways.go(links=Links("h2", tmp_path / "thief", AllKeys(h2="33" * 32)))
            plain = ["qemu-img", "info", f"nbd://127.0.0.1:{ways.port}/{ID}"]
            said = subprocess.run(plain, check=False, capture_output=True, text=True)
            assert (1, True) == (said.returncode, "TLS" in said.stderr)
            assert not list((tmp_path / "h2").rglob(nbd.KEYS))
            # QEMU, another user, is handed the open file: it may use that, and open none.
            handed = os.open(file, os.O_RDWR)
            os.lseek(handed, 4096, os.SEEK_SET)
            use = f"test $(stat -L -c %s /proc/self/fd/{handed}) = {2**30} && test $(head -c 8 <&{handed}) = precious"
            for words, ends in ((use, 0), (f"head -c 1 {file}", 1)):
                program = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-c", words]
                done = await asyncio.to_thread(
                    subprocess.run, program, check=False, pass_fds=[handed], capture_output=True
                )
                assert ends == done.returncode, done.stderr
            os.close(handed)

    async def test_a_host_that_has_lost_the_volume_is_out_at_once(self, tmp_path: Path) -> None:
        async with some_ways(tmp_path) as ways:
            await ways.open("h2")
            await ways.go()
            was = ways.pid("doors")
            await ways.open("h2")
            assert was == ways.pid("doors")
            await ways.open("h3")
            assert was != ways.pid("doors")
            await ways.links["h2"].ensure_gone(ID)
            with pytest.raises(DriverError, match="TLS handshake"):
                await ways.go("h2")
            await write(await ways.go("h3"), b"of h3 !!")
            assert b"of h3 !!" == ways.bytes()

    async def test_agents_that_begin_anew_find_what_runs_and_make_anew_what_was_killed(self, tmp_path: Path) -> None:
        async with some_ways(tmp_path) as ways:
            await ways.open("h2")
            file = await ways.go()
            pids = (ways.pid("doors"), ways.pid("h2"))
            again = Links("h2", tmp_path / "h2", AllKeys())
            await ways.open("h2", doors=ways.the_doors())
            await ways.go(links=again)
            assert pids == (ways.pid("doors"), ways.pid("h2"))
            assert {ID} == set(await again.observe())
            kill9(pids[0])
            await ways.open("h2")
            await write(file, b"go on !!")  # the link has found the door again by itself
            kill9(pids[1])
            await write(await ways.go(links=again), b"and on !")
            assert b"and on !" == ways.bytes()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a program another user")
    @pytest.mark.parametrize("format", ["raw", "qcow2"])
    async def test_who_serves_a_volume_is_nobody_and_opens_no_other(self, tmp_path: Path, format: Format) -> None:
        async with some_ways(tmp_path, format) as ways:
            other = a_disk()
            await ways.store.ensure_disk(Kind.VOLUME, other)
            await ways.open("h2")
            await write(await ways.go(), b"precious")
            pid = ways.pid("doors")
            (own,), (foreign,) = (list(ways.folder(id).glob(f"*.{format}")) for id in (ways.disk.id, other.id))
            told = status(pid)
            user, groups = told["Uid"][0], told["Groups"]
            assert (FIRST_UID <= int(user), {user}, {user}) == (True, set(told["Uid"]), set(told["Gid"]))
            assert ({"0000000000000000"}, "1") == (
                {told[each][0] for each in ("CapEff", "CapPrm", "CapBnd")}, told["NoNewPrivs"][0],
            )  # fmt: skip
            assert [str(own.stat().st_gid)] == groups
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert str(4 << 30) in next(line for line in limits.splitlines() if line.startswith("Max address space"))
            opened = {os.path.realpath(f"/proc/{pid}/fd/{each}") for each in os.listdir(f"/proc/{pid}/fd")}
            assert (True, False) == (str(own) in opened, str(foreign) in opened)
            # By its path or by an open descriptor that it may come by: what is not its own it does not get.
            keys = tmp_path / "doors" / ID / "keys" / nbd.KEYS
            for file, path, ends in (
                (own, False, 0), (keys, False, 0), (own, True, 1), (foreign, False, 1), (foreign, True, 1),
                (Path("/etc/shadow"), False, 1),
            ):  # fmt: skip
                assert ends == await as_user(user, groups, file, by_path=path), (file, path)
            assert 1 == await as_user("65534", ["65534"], keys, by_path=False)
            kill9(pid)
            await ways.open("h2")
            assert user == status(ways.pid("doors"))["Uid"][0]

    async def test_a_volume_that_is_open_here_is_not_served(self, tmp_path: Path) -> None:
        async with some_ways(tmp_path) as ways:
            with pytest.raises(DriverError, match="is not on this host"):
                body = {"volume_id": "gone", "backend": "b", "peers": ["h2"]}
                await ways.doors.ensure(ID, body, 1)
            with pytest.raises(DriverError, match="does not serve"):
                await Doors(tmp_path / "other", Listening(), {"b": ways.store}, AllKeys()).ensure(ID, body, 1)

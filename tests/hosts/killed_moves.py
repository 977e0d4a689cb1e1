"""A guest that moves between two machines whose processes are killed on the way, and what has to hold whenever it rests.

The guest is one sector: it is up at once and echoes what it is told, so one that is silent does not run, and one that greets
anew has lost its memory. What is on its disk is written from outside while it is off, and it never writes there.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.clients.cloud import Answer, RunningCloud, running_cloud, until
from tests.hosts.first_light import REAL
from tests.hosts.joined import Machine, machine

from pileus.guest.sector import GREETING, boot_sector
from pileus.kit.flow import failpoint
from pileus.kit.flow.book import Book
from pileus.kit.flow.failpoint import VARIABLE
from pileus.kit.flow.step import Flow
from pileus.main.launch import DidNotStart, start
from pileus.main.opened import opened
from pileus.main.processes import servers_of
from pileus.main.settings import settings_of
from pileus.main.state import State

REST_S = 240.0
LOOK_S = 0.2  # whoever looks all the time takes the processors from those it looks at
ASKED_AT_MOST = 9  # one that goes the other way does not pass the fault, and neither does one broken off before it
DISK = "disk0.qcow2"
IMAGE_AT, MARK_AT, LONG = 512 * 1024, 256 * 1024, 64 * 1024  # what is in the image, and what on the disk above it only
IMAGE_BYTE, MARK_BYTE = 0x5A, 0xC3
COMPUTE = {"OpenStack-API-Version": "compute 2.94"}


def places(*flows: Flow, where: tuple[str, ...] = ("before", "after")) -> list[str]:
    """Where a controller may die: around each step's effect."""
    return [f"flow.step.{when}@{flow.name}/{step.name}" for flow in flows for step in flow.steps for when in where]


class Mover:
    """The server that moves, as the cloud shows it."""

    def __init__(self, cloud: RunningCloud) -> None:
        self.cloud = cloud
        self.id = ""

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        return self.cloud.ask(method, path, body, as_="admin", headers=COMPUTE)

    def made(self, path: str, body: object) -> Any:
        answer = self.ask("POST", path, body)
        assert answer.status in {200, 201, 202}, answer
        return answer.json

    def act(self, action: object) -> bool:
        """Whether the action is taken: nobody may be there to answer, or it may not be time for it."""
        try:
            answered = self.ask("POST", f"/compute/v2.1/servers/{self.id}/action", action)
        except OSError:
            return False
        assert answered.status in {200, 202, 204, 400, 409}, answered
        return answered.status < 400

    def show(self) -> dict[str, Any] | None:
        """The server; None when nobody answers."""
        try:
            answered = self.ask("GET", f"/compute/v2.1/servers/{self.id}")
        except OSError:
            return None
        return dict(answered.json["server"]) if answered.status == 200 else None

    def resting(self) -> tuple[str, str] | None:
        """Status and host of the server if nothing is under way with it."""
        shown = self.show()
        if shown is None or shown["OS-EXT-STS:task_state"] is not None or asyncio.run(self.open_operations()):
            return None
        assert shown["status"] != "ERROR", (shown, self.cloud.log())
        return shown["status"], shown["OS-EXT-SRV-ATTR:host"]

    def up(self) -> dict[str, str]:
        """Each host that is up, and its service."""
        found = self.ask("GET", "/compute/v2.1/os-services?binary=nova-compute").json["services"]
        return {one["host"]: one["id"] for one in found if one["state"] == "up"}

    def rests(self, *statuses: str) -> tuple[str, str]:
        """Status and host, once it is at rest in one of these."""

        def look() -> tuple[str, str] | None:
            found = self.resting()
            return found if found is not None and found[0] in statuses else None

        return until(look, f"it is one of {statuses}", REST_S) or ("", "")

    async def open_operations(self) -> list[str]:
        """What is under way in the cloud."""
        state = self.cloud.state
        async with opened(state, settings_of(state, {}).options) as db:
            book = Book(db)
            found = [await book.get(id) for id in await book.due()]
            return [f"{op.flow} at {op.step}" for op in found if op is not None]


class Stage:
    """A cloud, another host named `b`, a guest that moves and one that nobody touches."""

    def __init__(self, cloud: RunningCloud, host: Machine, faults: Path) -> None:
        self.cloud, self.host = cloud, host
        self._faults = faults  # what is said there happens
        self._settings = settings_of(cloud.state, {}).options
        self.mover, self.witness = Mover(cloud), ""
        self.own = next(found for found in self.mover.up() if found != "b")
        self.marked = True
        self.greetings = 1
        self.lost = False  # the machine `b`; its agent stays dead
        self.kills = 0

    @property
    def states(self) -> dict[str, State]:
        """Both hosts."""
        return {self.own: self.cloud.state, "b": self.host.state}

    # What is made.

    def furnish(self) -> None:
        """Both servers run, the one that moves on `b`, with its bytes on its disk."""
        sector = bytearray(boot_sector())
        sector[IMAGE_AT : IMAGE_AT + LONG] = bytes([IMAGE_BYTE]) * LONG
        flavor = {"id": "sector", "name": "sector", "vcpus": 1, "ram": 64, "disk": 1}
        self.mover.made("/compute/v2.1/flavors", {"flavor": flavor})
        about = {"name": "sector", "disk_format": "raw", "container_format": "bare"}
        image = self.mover.made("/image/v2/images", about)["id"]
        put = self.cloud.ask(
            "PUT", f"/image/v2/images/{image}/file", bytes(sector), as_="admin",
            headers={"Content-Type": "application/octet-stream"},
        )  # fmt: skip
        assert put.status == 204, put
        network = self.mover.made("/network/v2.0/networks", {"network": {"name": "moves"}})["network"]["id"]
        subnet = {"network_id": network, "ip_version": 4, "cidr": "10.67.0.0/24"}
        self.mover.made("/network/v2.0/subnets", {"subnet": subnet})
        made_of = {"flavorRef": "sector", "imageRef": image, "networks": [{"uuid": network}]}
        for name, place in (("witness", self.own), ("mover", "b")):
            server = {"name": name, "host": place, **made_of}
            made = self.mover.made("/compute/v2.1/servers", {"server": server})["server"]["id"]
            self.witness, self.mover.id = self.mover.id, made
            self.mover.rests("ACTIVE")
        self.mark()

    def mark(self) -> None:
        """There are bytes on the server's disk that its image has not, and it has booted from it."""
        self.mover.act({"os-stop": None})
        _, place = self.mover.rests("SHUTOFF")
        self._qemu_io(place, f"write -P {MARK_BYTE:#x} {MARK_AT} {LONG}")
        self.mover.act({"os-start": None})
        self.mover.rests("ACTIVE")
        self.marked = True
        self.greetings = 2

    # Dying.

    def arm(self, fault: str | None, *, there: bool = False) -> None:
        """Both processes run, and the one of our side, or of `b`, dies when it passes that place."""
        here, far = self._faults / "here", self._faults / "b"
        self._say(here, None if there else fault)
        self._say(far, None)
        if self.cloud.state.pid() is None:
            self._up()
        if not self.lost and self.host.state.pid() is None:
            with told_by(far):
                self.host.rejoin()
        self._say(far, fault if there else None)

    def _say(self, file: Path, fault: str | None) -> None:
        if fault is None:
            file.unlink(missing_ok=True)
            return
        fresh = file.with_suffix(".new")
        fresh.write_text(f"{fault}:kill")
        fresh.replace(file)  # it is read at any moment, and never by half

    def _up(self) -> None:
        """The cloud was started; what it takes up again may kill it before it answers."""
        end = time.monotonic() + REST_S
        while self.cloud.state.pid() is None:
            try:
                with told_by(self._faults / "here"):
                    start(self.cloud.state, self._settings)
            except DidNotStart as failed:
                if f"code {-signal.SIGKILL}." in failed.message:
                    return
                # The machine has other things to do; that is no death.
                if time.monotonic() > end:
                    raise
                until(lambda: self.cloud.state.pid() is None, "what did not start is gone")

    def kill(self, state: State) -> None:
        """The process is gone, as by `kill -9`."""
        pid = state.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            until(lambda: state.pid() is None, "the killed process is gone")

    def killed(self, faults: list[str], turn: Callable[[str, str, str], object], *, there: bool = False) -> None:
        """The process dies at each place, one after another; `turn` asks for what leads there, given status, host and place.

        Each place is armed before what died at the last one is started again, so what was cut off may run into the next.
        """
        for fault in faults:
            began = time.monotonic()
            self.arm(fault, there=there)
            asked = self._until_dead(fault, turn, self.host.state if there else self.cloud.state)
            self.kills += 1
            side = "b" if there else "cloud"
            print(f"{side:<5} {fault:<58} killed, asked {asked} times, {time.monotonic() - began:5.1f} s", flush=True)
        self.arm(None)
        assert self.cloud.state.pid() is not None, self.cloud.log()

    def _until_dead(self, fault: str, turn: Callable[[str, str, str], object], state: State) -> int:
        asked, end = 0, time.monotonic() + REST_S
        while state.pid() is not None:
            assert time.monotonic() < end, (
                f"{fault} did not kill: {self.mover.show()}\n{self.cloud.log()}\n{self.host.log()}"
            )
            found = self.mover.resting()
            if found is not None and (self.lost or "b" in self.mover.up()):
                if not self.lost:
                    self.judge()
                assert asked < ASKED_AT_MOST, f"{fault} is never passed"
                asked += bool(turn(*found, fault))
                end = time.monotonic() + REST_S
            time.sleep(LOOK_S)
        return asked

    @contextlib.contextmanager
    def without_b(self) -> Iterator[None]:
        """The machine is lost for the block, and said to be; its guest runs on there. Then it is back."""
        service = self.mover.up()["b"]
        self.kill(self.host.state)
        self.lost = True
        self._say_lost(service, True)
        yield
        self.lost = False
        self._say_lost(service, False)
        self.arm(None)
        self.host.until("up")

    def _say_lost(self, service: str, lost: bool) -> None:
        said = self.mover.ask("PUT", f"/compute/v2.1/os-services/{service}", {"forced_down": lost})
        assert said.status == 200, said

    def end(self) -> None:
        """There are no servers, and the machine `b` is none of the cloud's."""
        self.lost = False
        self.arm(None)
        for id in (self.mover.id, self.witness):
            self.mover.ask("DELETE", f"/compute/v2.1/servers/{id}")
        until(lambda: not self.mover.ask("GET", "/compute/v2.1/servers").json["servers"], "both are deleted", REST_S)
        self.host.destroy()

    # Looking.

    def judge(self) -> None:
        """At rest it runs once, where the cloud says, with its bytes and its memory, and has its room and its port once."""
        status, place = self.mover.rests("ACTIVE", "VERIFY_RESIZE")
        until(lambda: not self._strays(status, place), f"nothing is left over: {self._strays(status, place)}", REST_S)
        until(lambda: self._echoes(place), "the guest echoes what it is told", REST_S)
        assert self._greeted(place) <= self.greetings
        self._whole(place)

    def _strays(self, status: str, place: str) -> list[str]:
        """What is not as it should be, of a server at rest."""
        wrong = [] if self.mover.resting() == (status, place) else ["it moved"]
        folded = {name: {entry.name for entry in (state / "servers").iterdir()} for name, state in self.states.items()}
        runs = {name: sorted(id for id, _ in servers_of(state)) for name, state in self.states.items()}
        both = {
            name: sorted([self.witness] * (name == self.own) + [self.mover.id] * (name == place))
            for name in self.states
        }
        if runs != both:
            wrong.append(f"QEMU runs {runs}, not {both}")
        homes = place if status == "ACTIVE" else ""
        wrong += [
            f"a directory on {name}"
            for name, ids in folded.items()
            if homes and (self.mover.id in ids) != (name == place)
        ]
        port = self.mover.ask("GET", f"/network/v2.0/ports?device_id={self.mover.id}").json["ports"]
        if [one["binding:host_id"] for one in port] != [place]:
            wrong.append(f"ports at {[one['binding:host_id'] for one in port]}")
        taps = {name: _links(state).count(f"alias {one['id']}") for one in port for name, state in self.states.items()}
        if homes and taps != {name: int(name == place) for name in self.states}:
            wrong.append(f"TAPs {taps}")
        claimed = self.mover.ask("GET", f"/placement/allocations/{self.mover.id}").json["allocations"]
        if len(claimed) != 1:
            wrong.append(f"rooms {claimed}")
        if homes and (used := self._used()) != {
            name: int(name == place) + int(name == self.own) for name in self.states
        }:
            wrong.append(f"processors claimed {used}")
        if open_ := asyncio.run(self.mover.open_operations()):
            wrong.append(f"open: {open_}")
        return wrong

    def _used(self) -> dict[str, int]:
        found = self.mover.ask("GET", "/placement/resource_providers").json["resource_providers"]
        return {
            one["name"]: self.mover.ask("GET", f"/placement/resource_providers/{one['uuid']}/usages").json["usages"]["VCPU"]
            for one in found if one["name"] in self.states
        }  # fmt: skip

    def _home(self, place: str) -> Path:
        """The server's directory on that host."""
        return self.states[place] / "servers" / self.mover.id

    def _echoes(self, place: str) -> bool:
        """Whether the guest says what it is told."""
        with socket.socket(socket.AF_UNIX) as serial:
            serial.settimeout(2)
            try:
                serial.connect(str(self._home(place) / "serial.sock"))
                serial.sendall(b"?")
                return b"?" in serial.recv(64)
            except OSError:
                return False

    def _greeted(self, place: str) -> int:
        """How often the guest has begun on the host it is on."""
        return (self._home(place) / "guest" / "console.log").read_bytes().count(GREETING.encode())

    def _whole(self, place: str) -> None:
        said = self._qemu_io(place, f"read -P {IMAGE_BYTE:#x} {IMAGE_AT} {LONG}")
        said += self._qemu_io(place, f"read -P {MARK_BYTE if self.marked else 0:#x} {MARK_AT} {LONG}")
        assert "verification failed" not in said, said

    def _qemu_io(self, place: str, command: str) -> str:
        disk = self._home(place) / "guest" / DISK
        flags = ["-U", "-r"] if command.startswith("read") else []
        argv = ["qemu-io", *flags, "-f", "qcow2", "-c", command, str(disk)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def well(self) -> None:
        """The doctor finds nothing."""

        def look() -> bool:
            self.said = self.cloud.pileus("doctor")
            return "All is well" in self.said

        self.said = ""
        until(look, f"the doctor finds nothing: {self.said}", REST_S, 1)


@contextlib.contextmanager
def told_by(file: Path) -> Iterator[None]:
    """What is started in the block looks there for what shall happen to it."""
    os.environ[VARIABLE] = f"@{file}"
    try:
        yield
    finally:
        del os.environ[VARIABLE]


@contextlib.contextmanager
def staged(faults: Path) -> Iterator[Stage]:
    """All of it, for the block; `faults` is a directory for what shall happen."""
    failpoint.arm("")  # theirs, not ours
    with contextlib.ExitStack() as stack:
        with told_by(faults / "here"):
            cloud = stack.enter_context(running_cloud(*REAL))
        host = stack.enter_context(machine(cloud, "b", far=True))
        with told_by(faults / "b"):
            host.join()
        host.until("up")
        stage = Stage(cloud, host, faults)
        stage.furnish()
        try:
            yield stage
        finally:
            stage.end()


def _links(state: State) -> str:
    argv = ["ip", "-n", f"pileus-{state.key}", "link"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

"""Servers that are only pretended, by the thousand, and fail when told to.

It keeps every promise of `interface`, in memory: for tries without a hypervisor, for tests, and for drills. Delays,
failures, lost power and what guests print are scripted by whoever holds it.
"""

import asyncio
import base64
import os
import shutil
import socket
import tempfile
import weakref
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path

import msgspec

from pileus.compute.drivers import fake_move
from pileus.compute.drivers.empty_disk import empty_qcow2
from pileus.compute.drivers.fake_move import Pretence
from pileus.compute.drivers.fake_screen import welcome
from pileus.compute.drivers.fake_script import Script
from pileus.compute.drivers.fake_shelf import FakeShelf
from pileus.compute.drivers.interface import (
    ABILITIES,
    ABSENT,
    Changed,
    ConsoleAddresses,
    ConsoleKind,
    Copy,
    DriverError,
    Facts,
    Move,
    Nic,
    Power,
    PowerSeen,
    Restarts,
    Seen,
    Stage,
    Stillness,
    Volume,
    Wanted,
    lasting,
)
from pileus.kit.clock import Clock, SystemClock
from pileus.ports.image_files import ImageFiles
from pileus.ports.plug import Plug, PortPlug
from pileus.ports.server_files import ServerFiles
from pileus.ports.server_streams import ServerStreams

POWERS = {Power.ON: PowerSeen.ON, Power.PAUSED: PowerSeen.PAUSED}
RUNNING = (PowerSeen.ON, PowerSeen.PAUSED)
# What a pretended guest prints as it boots.
BOOT = (
    "Pretended kernel of a pretended server",
    "Command line: none",
    "Memory: as much as its flavor says",
    "CPUs: as many as its flavor says",
    "Disks: found",
    "Network cards: found",
    "Root file system: mounted",
    "Address: asked for",
    "Metadata: read",
    "Services: started",
)
RESTING = {Power.OFF: PowerSeen.OFF, Power.SUSPENDED: PowerSeen.SUSPENDED}
DISK = "disk0.qcow2"


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Fake(Script):
    """Hypervisor, ShowsConsoleLog, OpensConsole, GivesFiles and MovesLive, of servers that do not exist."""

    def __init__(self, *, clock: Clock | None = None, facts: Facts | None = None, plug: Plug | None = None,
                 files: ServerFiles | None = None, streams: ServerStreams | None = None,
                 images: ImageFiles | None = None) -> None:  # fmt: skip
        super().__init__()
        self._streams = streams
        self._clock = clock or SystemClock()
        self._files = files
        self._plug = plug
        self._facts = facts or Facts(
            hostname="fake", cpus=1024, ram_mib=4 * 2**20, disk_gib=10**6, disk_free_gib=10**6,
            arch="x86_64", hypervisor="fake", hypervisor_version="1.0", accel="none", abilities=ABILITIES,
        )  # fmt: skip
        self._servers: dict[str, Pretence] = {}
        self.images = FakeShelf(images)
        self._pids = iter(range(100_000, 2**31))
        self._copies: Path | None = None
        self._consoles: set[asyncio.Task[None]] = set()

    # The script.

    def lose_power(self, id: str, why: str = "killed by signal 9 (SIGKILL)") -> None:
        """The server ends though nobody asked for that."""
        self._end(id, PowerSeen.CRASHED, why)

    def guest_powers_off(self, id: str) -> None:
        """The guest ends itself."""
        self._end(id, PowerSeen.OFF, "the guest powered off")

    def write(self, id: str, text: str) -> None:
        """The guest writes on its disk."""
        self._servers[id].disk += text.encode()

    def print(self, id: str, text: str) -> None:
        """The guest prints on its serial console."""
        self._servers[id].log += text

    # Hypervisor.

    def on_change(self, changed: Changed) -> None:
        self._changed = changed

    async def facts(self) -> Facts:
        return self._facts

    async def observe(self) -> Mapping[str, Seen]:
        await self._obey("observe")
        return {id: await self.look(id) for id in self._servers}

    async def look(self, id: str) -> Seen:
        pretence = self._servers.get(id)
        if pretence is None:
            return ABSENT
        errors = self._disk_errors.get(id, ())
        return msgspec.structs.replace(pretence.seen, panicked_at=self._panics.get(id), disk_errors=errors)

    async def ensure(self, server: Wanted) -> None:
        await self._obey("ensure")
        pretence = self._servers.get(server.id)
        if pretence is None:
            # A process that was killed has forgotten its servers, and only what ran is ever to be suspended.
            power = PowerSeen.SUSPENDED if server.power is Power.SUSPENDED else PowerSeen.OFF
            await self._judge(server)
            disk = b"" if server.arrival is not None else await self._arrived(server)
            pretence = Pretence(server, Seen(power, disks_ready=True), disk=disk)
            self._servers[server.id] = pretence
        elif server.shape != pretence.wanted.shape:
            await self._judge(server)
        kept, kept_volumes = self._kept_cards(pretence, server), self._kept_volumes(pretence, server)
        await self._plug_in(pretence.wanted.nics, (*server.nics, *kept))
        pretence.wanted = server
        await self._move(pretence)
        has = self._volumes(pretence, server)
        pretence.seen = msgspec.structs.replace(
            pretence.seen,
            snapshot=self._copy(server),
            cards=tuple(sorted(nic.port_id for nic in server.nics)),
            cards_changing=tuple(sorted(nic.port_id for nic in kept)),
            volumes=tuple(sorted(volume.key for volume in has)),
            volumes_changing=kept_volumes,
            volume_sizes={volume.key: volume.size_gib for volume in has},
        )

    async def ensure_power(self, id: str, power: Power) -> None:
        await self._obey("ensure_power")
        pretence = self._servers.get(id)
        if pretence is None:
            raise DriverError("The server is not here", id)
        asked = pretence.wanted.restarts
        if power is Power.ON:
            asked = msgspec.structs.replace(asked, start=pretence.seen.restarts.start + 1)
        pretence.wanted = msgspec.structs.replace(pretence.wanted, power=power, restarts=asked)
        self._settle(pretence)

    async def ensure_gone(self, id: str) -> None:
        await self._obey("ensure_gone")
        gone = self._servers.pop(id, None)
        if gone is not None:
            await self._plug_in(gone.wanted.nics, ())
        self._deaf.discard(id)

    async def close(self) -> None:
        for task in self._consoles:
            task.cancel()
        await asyncio.gather(*self._consoles, return_exceptions=True)
        if self._copies is not None:
            shutil.rmtree(self._copies)
            self._copies = None

    async def give(self, id: str, name: str) -> int:
        """The disk of a server at rest, or a copy."""
        await self._obey("give")
        pretence = self._servers.get(id)
        if pretence is None:
            raise DriverError("The server is not here", id)
        if name == DISK and pretence.seen.power in RUNNING:
            raise DriverError("The server runs", f"{name} changes while it is read")
        if name == DISK:
            content = pretence.disk
        else:
            copy = pretence.seen.snapshot
            if copy is None or Path(copy.file).name != name:
                raise DriverError("The server has no such file", name)
            content = await asyncio.to_thread(Path(copy.file).read_bytes)
        file = os.memfd_create(name)
        os.write(file, content)
        os.lseek(file, 0, os.SEEK_SET)
        return file

    # Consoles.

    async def landing(self, id: str, name: str) -> Stream:
        """Where the server that is awaited is sent to, disk and memory in one."""
        pretence = self._servers.get(id)
        if pretence is None or pretence.wanted.arrival is None or name not in ("disks", "memory"):
            raise DriverError(f"Nothing waits here for the server's {name}", id)
        await self._obey("arrive")
        ours, theirs = socket.socketpair()
        self._keep(fake_move.take_in(ours, pretence, lambda: self._changed(id)))
        return await asyncio.open_unix_connection(sock=theirs)

    async def console_log(self, id: str, lines: int | None = None) -> str:
        pretence = self._servers.get(id)
        text = pretence.log if pretence is not None else ""
        if lines is None:
            return text
        return "".join(text.splitlines(keepends=True)[-lines:]) if lines > 0 else ""

    async def open(self, id: str, kind: ConsoleKind) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A serial console that echoes, or a screen on which nothing happens."""
        await self._obey("open")
        pretence = self._servers.get(id)
        if pretence is None or pretence.seen.power not in RUNNING:
            raise DriverError(f"The {kind} console cannot be opened", "the server does not run")
        if kind is ConsoleKind.AGENT and not pretence.wanted.agent:
            raise DriverError("The agent console cannot be opened", "the server has no channel to an agent")
        ours, theirs = socket.socketpair()
        screen = pretence.wanted.name if kind is ConsoleKind.VNC else None
        about = _obey_commands(ours, pretence) if kind is ConsoleKind.AGENT else _talk(ours, screen)
        self._keep(about)
        return await asyncio.open_unix_connection(sock=theirs)

    def _keep(self, about: Coroutine[None, None, None]) -> None:
        talk = asyncio.create_task(about)
        self._consoles.add(talk)
        talk.add_done_callback(self._consoles.discard)

    # Pretending.

    async def _judge(self, server: Wanted) -> None:
        """The images of which disks would be made here now are such as a host takes; raises DriverError."""
        if server.origin is None and server.arrival is None:
            for disk in server.own_disks:
                if disk.image is not None:
                    await self.images.judge(disk.image, disk.room)
        if server.rescue is not None:
            await self.images.judge(server.rescue, 0)

    async def _move(self, pretence: Pretence) -> None:
        """The server has gone on on its way to another host, or here, if it is on one; else it is as wanted."""
        wanted, move = pretence.wanted, pretence.seen.move
        if wanted.arrival is not None:
            fake_move.await_(pretence, wanted.arrival)
        elif wanted.departure is not None and pretence.seen.power in RUNNING:
            if move is None or move.id != wanted.departure.id:
                move = Move(wanted.departure.id, Stage.MEMORY, memory_total=2**20, memory_left=2**19, memory_sent=2**19)
            if move.stage is Stage.MEMORY and (wanted.departure.hurry or wanted.id not in self._held):
                try:
                    await self._obey("depart")
                    move = await fake_move.send(pretence, wanted.departure, self._streams)
                except DriverError as failed:
                    move = Move(wanted.departure.id, Stage.FAILED, str(failed))
            power = PowerSeen.PAUSED if move.stage is Stage.SENT else pretence.seen.power
            pretence.seen = msgspec.structs.replace(pretence.seen, move=move, power=power)
        else:
            pretence.seen = msgspec.structs.replace(pretence.seen, move=None)
            self._settle(pretence)

    async def _arrived(self, server: Wanted) -> bytes:
        """What is on the disk of a server that is new here: nothing, or what its origin has."""
        if server.origin is None:
            return b""
        if self._files is None:
            raise DriverError("This host takes no disks from others", server.origin)
        with tempfile.TemporaryDirectory(prefix="pileus-fake-") as folder:
            await self._files.fetch(server.origin, server.id, DISK, Path(folder) / DISK)
            return await asyncio.to_thread((Path(folder) / DISK).read_bytes)

    def _kept_cards(self, pretence: Pretence, server: Wanted) -> list[Nic]:
        """Cards that are to go and that a guest which runs does not let go of."""
        if server.id not in self._deaf or pretence.seen.power not in RUNNING:
            return []
        stay = {nic.port_id for nic in server.nics}
        had = {*pretence.seen.cards, *pretence.seen.cards_changing}
        known = {nic.port_id: nic for nic in (*pretence.wanted.nics, *pretence.kept)}
        pretence.kept = [known[id] for id in sorted(had - stay)]
        return pretence.kept

    def _kept_volumes(self, pretence: Pretence, server: Wanted) -> tuple[str, ...]:
        """Volumes that are to go and that a guest which runs does not let go of."""
        had = {*pretence.seen.volumes, *pretence.seen.volumes_changing}
        if server.id not in self._deaf or pretence.seen.power not in RUNNING:
            return ()
        return tuple(sorted(had - {volume.key for volume in server.volumes}))

    def _volumes(self, pretence: Pretence, server: Wanted) -> tuple[Volume, ...]:
        """What it has: one that is to take another's place does so at once, if the server runs."""
        have = pretence.seen.volumes
        if pretence.seen.power in RUNNING:
            have = tuple(volume.key for volume in server.volumes)
        return lasting(server, have)

    async def _plug_in(self, before: Sequence[Nic], after: Sequence[Nic]) -> None:
        """The ports of the second are plugged, those only of the first are not; nothing if no plug was given."""
        if self._plug is None:
            return
        for port_id in {nic.port_id for nic in before} - {nic.port_id for nic in after}:
            await self._plug.ensure_unplugged(port_id)
        for nic in after:
            await self._plug.ensure_plugged(PortPlug(nic.port_id, nic.mac, nic.mtu))

    def _copy(self, server: Wanted) -> Copy | None:
        """The copy that is wanted, of an empty disk; no other is kept."""
        if server.snapshot is None:
            if self._copies is not None:
                (self._copies / f"{server.id}.qcow2").unlink(missing_ok=True)
            return None
        if self._copies is None:
            self._copies = Path(tempfile.mkdtemp(prefix="pileus-fake-"))
            # Whoever does not close it, as a process that is to have died, leaves nothing over either.
            weakref.finalize(self, shutil.rmtree, self._copies, ignore_errors=True)
        file = self._copies / f"{server.id}.qcow2"
        if not file.exists():
            self._hold_still(server)
        file.write_bytes(empty_qcow2(max(1, server.root.size_gib if server.root is not None else 0) * 2**30))
        return Copy(server.snapshot, str(file))

    def _hold_still(self, server: Wanted) -> None:
        """The guest's agent, if it has one, has its file systems frozen for the moment of the copy."""
        pretence = self._servers[server.id]
        if server.stillness is Stillness.NONE or pretence.seen.power not in RUNNING:
            return
        if server.agent and server.id not in self._deaf:
            pretence.held_still += 1
        elif server.stillness is Stillness.MUST:
            raise DriverError("The guest's file systems cannot be held still", "its agent does not answer")

    def _settle(self, pretence: Pretence) -> None:
        wanted, seen = pretence.wanted, pretence.seen
        done, asked = seen.restarts, wanted.restarts
        if seen.power in RUNNING:
            self._settle_running(pretence)
        elif wanted.power in RESTING:
            self._stop(pretence)
        elif not pretence.ran or _grew(done, asked) or wanted.shape != seen.shape:
            self._start(pretence)

    def _settle_running(self, pretence: Pretence) -> None:
        wanted, seen = pretence.wanted, pretence.seen
        done, asked = seen.restarts, wanted.restarts
        if wanted.power is Power.SUSPENDED:
            self._stop(pretence)
        elif wanted.power is not Power.OFF and (asked.hard > done.hard or wanted.shape != seen.shape):
            self._start(pretence)
        elif wanted.power is Power.OFF or asked.soft > done.soft:
            if wanted.id in self._deaf:
                pretence.seen = msgspec.structs.replace(seen, doing="waiting for the guest to power off")
            elif wanted.power is Power.OFF:
                self._stop(pretence)
            else:
                self._start(pretence)
        else:
            pretence.seen = msgspec.structs.replace(seen, power=POWERS[wanted.power], restarts=asked, doing=None)

    def _start(self, pretence: Pretence) -> None:
        wanted = pretence.wanted
        pretence.ran = True
        pretence.log += "".join(f"[{at:12.6f}] {line}\n" for at, line in enumerate(BOOT)) + f"{wanted.name} login: "
        room = f"/fake/{wanted.id}"
        pretence.seen = Seen(
            power=POWERS[wanted.power],
            restarts=wanted.restarts,
            disks_ready=True,
            consoles=ConsoleAddresses(
                vnc=f"{room}/vnc" if wanted.consoles.vnc else None,
                serial=f"{room}/serial" if wanted.consoles.serial else None,
            ),
            started_at=self._clock.now(),
            pid=next(self._pids),
            shape=wanted.shape,
            machine=fake_move.MACHINE,
        )

    def _stop(self, pretence: Pretence) -> None:
        pretence.ran = False
        asleep = pretence.wanted.power is Power.SUSPENDED and pretence.seen.power in (*RUNNING, PowerSeen.SUSPENDED)
        pretence.seen = Seen(
            PowerSeen.SUSPENDED if asleep else PowerSeen.OFF,
            restarts=pretence.wanted.restarts,
            disks_ready=True,
            started_at=pretence.seen.started_at,
            shape=pretence.wanted.shape,
        )

    def _end(self, id: str, power: PowerSeen, why: str) -> None:
        pretence = self._servers[id]
        if pretence.seen.power in RUNNING:
            pretence.seen = msgspec.structs.replace(
                pretence.seen, power=power, exit_reason=why, pid=None, doing=None, consoles=ConsoleAddresses()
            )
            self._changed(id)


def _grew(done: Restarts, asked: Restarts) -> bool:
    return asked.start > done.start or asked.soft > done.soft or asked.hard > done.hard


async def _obey_commands(end: socket.socket, pretence: Pretence) -> None:
    """A guest's agent: it takes passwords, but for users it does not know."""
    reader, writer = await asyncio.open_unix_connection(sock=end)
    try:
        while line := (await reader.readline()).lstrip(b"\xff"):
            asked = msgspec.json.decode(line)
            told = asked["arguments"]
            if asked["execute"] == "guest-sync-delimited":
                writer.write(b"\xff" + msgspec.json.encode({"return": told["id"]}) + b"\n")
            elif told["username"] != "root":
                writer.write(msgspec.json.encode({"error": {"class": "GenericError", "desc": "no such user"}}) + b"\n")
            else:
                pretence.password = base64.b64decode(told["password"]).decode()
                writer.write(b'{"return": {}}\n')
            await writer.drain()
    finally:
        writer.close()


async def _talk(end: socket.socket, screen: str | None) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=end)
    try:
        if screen is not None:
            await welcome(reader, writer, screen)
        while text := await reader.read(4096):
            if screen is None:
                writer.write(text)
                await writer.drain()
    except asyncio.IncompleteReadError:
        pass  # He went before he had said all that belongs to a greeting.
    finally:
        writer.close()

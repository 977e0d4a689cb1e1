"""Pretended servers that go from one host to another while they run: what they remember is sent, and received, in one piece."""

import asyncio
import socket
from collections.abc import Callable

import msgspec

from pileus.compute.drivers.interface import (
    Arrival,
    Departure,
    DriverError,
    Move,
    Nic,
    PowerSeen,
    Seen,
    Stage,
    Wanted,
)
from pileus.kit.errors import Problem
from pileus.ports.server_streams import ServerStreams

MACHINE = "fake-1.0"
RECEIVED = b"+"


class Pretence(msgspec.Struct):
    """What a pretended server remembers."""

    wanted: Wanted
    seen: Seen
    ran: bool = False
    log: str = ""
    disk: bytes = b""  # what the guest wrote
    password: str = ""  # what its administrator logs in with
    held_still: int = 0  # how often its file systems were frozen, and thawed again
    kept: list[Nic] = []  # cards the guest does not let go of


class Sent(msgspec.Struct):
    """What there is of a pretended server."""

    seen: Seen
    log: str
    disk: bytes
    password: str


async def send(pretence: Pretence, departure: Departure, streams: ServerStreams | None) -> Move:
    """All of the server is on the other host; raises DriverError."""
    if streams is None:
        raise DriverError("This host hands no servers to others", departure.to)
    try:
        reader, writer, _ = await streams.open(pretence.wanted.id, "memory")
    except Problem as failed:
        raise DriverError("The other host cannot be reached", failed.message) from failed
    try:
        content = msgspec.json.encode(Sent(pretence.seen, pretence.log, pretence.disk, pretence.password))
        writer.write(len(content).to_bytes(8, "big") + content)
        await writer.drain()
        if await reader.read(1) != RECEIVED:
            raise DriverError("The memory cannot be sent", "the connection ended")
    except OSError as failed:
        raise DriverError("The memory cannot be sent", str(failed)) from failed
    finally:
        writer.close()
    size = len(content)
    return Move(departure.id, Stage.SENT, None, size, 0, size, len(pretence.disk), len(pretence.disk))


def await_(pretence: Pretence, arrival: Arrival) -> None:
    """The server is awaited, unless it has come."""
    move = pretence.seen.move
    if move is None or move.id != arrival.id:
        shape = pretence.wanted.shape
        pretence.seen = Seen(PowerSeen.PAUSED, shape=shape, disks_ready=True, move=Move(arrival.id, Stage.AWAITED))


async def take_in(end: socket.socket, pretence: Pretence, then: Callable[[], None]) -> None:
    """What comes is what the server is from now on; it stands still."""
    reader, writer = await asyncio.open_unix_connection(sock=end)
    try:
        size = int.from_bytes(await reader.readexactly(8), "big")
        sent = msgspec.json.decode(await reader.readexactly(size), type=Sent)
        move = pretence.seen.move
        if move is None or move.stage is not Stage.AWAITED:
            return
        pretence.log, pretence.disk, pretence.password = sent.log, sent.disk, sent.password
        pretence.ran = True
        received = msgspec.structs.replace(move, stage=Stage.RECEIVED)
        pretence.seen = msgspec.structs.replace(sent.seen, power=PowerSeen.PAUSED, move=received)
        writer.write(RECEIVED)
        await writer.drain()
        then()
    except (asyncio.IncompleteReadError, OSError):
        return  # Whoever sent it was cut off, and knows.
    finally:
        writer.close()

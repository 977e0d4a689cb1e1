"""A server's monitor: one connection to its QEMU, over which we ask and are told.

Every exchange has a deadline of its own, so a QEMU that hangs holds up nobody else's. The connection is for the
listening socket we handed to QEMU at its start, and can be made again by whoever comes after us.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError, Runstate

from pileus.compute.drivers.interface import DriverError
from pileus.compute.drivers.qemu.process import dial
from pileus.kit.flow.failpoint import failpoint

ANSWER_S = 5.0
START_S = 60.0  # to the first word of one that has just begun: many may begin at once on a busy host
EVENTS = (
    "SHUTDOWN", "RESET", "STOP", "RESUME", "GUEST_PANICKED", "JOB_STATUS_CHANGE", "DEVICE_DELETED", "MIGRATION",
    "BLOCK_IO_ERROR",
)  # fmt: skip
Tell = Callable[[str, Mapping[str, object]], None]  # an event's name, and what it says

# The library writes every lost connection to the log as an error; for us those are servers that ended.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


class Monitor:
    """A connection to a QEMU that runs."""

    def __init__(self, client: QMPClient, tell: Tell) -> None:
        self._client = client
        self._listener = EventListener(names=EVENTS)
        client.register_listener(self._listener)
        self._events = asyncio.create_task(self._listen(tell), name="qmp events")

    @classmethod
    async def connect(cls, path: Path, tell: Tell, deadline_s: float = ANSWER_S) -> "Monitor":
        """A monitor whose events are told; raises DriverError."""
        client = QMPClient()
        try:
            async with asyncio.timeout(deadline_s):
                await client.connect(dial(path))
        except TimeoutError:
            raise DriverError("QEMU does not answer", f"no greeting from its monitor in {deadline_s:g} s") from None
        except (QMPError, OSError, EOFError) as failed:
            raise DriverError("QEMU's monitor cannot be reached", str(failed)) from failed
        return cls(client, tell)

    @property
    def lost(self) -> bool:
        """Whether the connection broke, so that another is needed."""
        return self._client.runstate is not Runstate.RUNNING

    async def execute(self, command: str, **arguments: object) -> object:
        """QEMU did it, and this is its answer; raises DriverError."""
        failpoint("qmp.before", command)
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._client.execute(command, arguments or None)
        except TimeoutError:
            raise DriverError("QEMU does not answer", f"no reply to {command} in {ANSWER_S:g} s") from None
        except ExecuteError as refused:
            raise DriverError(f"QEMU refused {command}", str(refused)) from refused
        except (QMPError, OSError, EOFError) as failed:
            raise DriverError("QEMU's monitor was lost", str(failed) or type(failed).__name__) from failed
        failpoint("qmp.after", command)
        return answer

    async def hand(self, name: str, fd: int) -> None:
        """QEMU has a copy of the open file under that name."""
        try:
            self._client.send_fd_scm(fd)
        except (QMPError, OSError) as failed:
            raise DriverError("QEMU's monitor was lost", str(failed)) from failed
        await self.execute("getfd", fdname=name)

    async def hand_set(self, number: int, fd: int) -> None:
        """QEMU has a copy of the open file as `/dev/fdset/<number>`."""
        try:
            self._client.send_fd_scm(fd)
        except (QMPError, OSError) as failed:
            raise DriverError("QEMU's monitor was lost", str(failed)) from failed
        await self.execute("add-fd", **{"fdset-id": number})

    async def status(self) -> str:
        """QEMU's word for the server's state: running, paused, shutdown, io-error …"""
        match await self.execute("query-status"):
            case {"status": str(status)}:
                return status
            case other:
                raise DriverError("QEMU's answer makes no sense", str(other))

    async def machine(self) -> str:
        """The kind of machine, such as pc-i440fx-7.2: what `pc` means changes from one release to the next."""
        kind = await self.execute("qom-get", path="/machine", property="type")
        return str(kind).removesuffix("-machine")

    async def close(self) -> None:
        """The connection is gone; QEMU goes on."""
        self._events.cancel()
        # To part is done even if the other side is gone or mute; then it has nothing to tell us.
        with contextlib.suppress(TimeoutError, QMPError, OSError, EOFError):
            async with asyncio.timeout(1):
                await self._client.disconnect()
        await asyncio.gather(self._events, return_exceptions=True)

    async def _listen(self, tell: Tell) -> None:
        async for event in self._listener:
            said = event.get("data")
            tell(str(event["event"]), said if isinstance(said, dict) else {})

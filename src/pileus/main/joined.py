"""The process that is a host from afar: no APIs, no database, only the agent and what it steers.

lock -> log -> (cloud's facts, or those of last time) -> drivers -> agent, questions, renewal -> until told to stop

Servers and networks outlive it; the next one finds and adopts them, also while the cloud cannot be reached.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path

from pileus.kit.clock import SystemClock
from pileus.kit.errors import Problem
from pileus.kit.hosts.agent import Agent
from pileus.kit.hosts.answers import Answers
from pileus.kit.hosts.dial import Dialler
from pileus.kit.hosts.remote import RemoteExchange
from pileus.kit.observe.log import log_of, set_up
from pileus.main import machine
from pileus.main.backup_stores import FarChunks
from pileus.main.host_needs import ConsoleAnswers, FarImages, FarMetadata
from pileus.main.joining import Membership, dialler, membership, own_certificate, refreshed, renew_if_due, tls
from pileus.main.launch import READY
from pileus.main.object_joined import JoinedObjects
from pileus.main.server_files import Connects, FarServerFiles, FileAnswers, HostStreams
from pileus.main.server_passwords import FarPasswords
from pileus.main.server_streams import FarServerStreams, StreamAnswers
from pileus.main.settings import Settings, settings_of
from pileus.main.state import State, write_whole
from pileus.main.volume_backends import copy_attached, volume_backends, volume_ways
from pileus.main.volume_files import BytesAnswers, FarVolumeFiles
from pileus.main.volume_needs import FarLinkKeys, FarVolumeKeys

log = log_of(__name__)

LONGEST_PAUSE_S = 30.0
RENEW_EVERY_S = 43_200.0


def main() -> int:
    """Serve the host in the state directory that the first argument names."""
    state = State(Path(sys.argv[1]))
    member = membership(state)
    if member is None:
        print(f"pileus: {state.path} has not joined a cloud", file=sys.stderr)
        return 1
    try:
        with state.lock():
            settings = settings_of(state, {}).options
            set_up(level=settings.log_level, file=state.log)
            asyncio.run(_serve(state, settings, member))
    except Problem as problem:
        print(f"pileus: {problem.message}", file=sys.stderr)
        return 1
    return 0


async def _serve(state: State, settings: Settings, member: Membership) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    host = JoinedHost(state, settings, await _latest(state, member))
    work = asyncio.create_task(host.work(), name="host")
    stop = asyncio.create_task(told.wait(), name="told to stop")
    await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
    for task in (work, stop):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await host.close()
    log.info("the host has stopped; its servers and networks go on")


async def _latest(state: State, member: Membership) -> Membership:
    try:
        return await refreshed(state, member)
    except Problem as failed:
        log.warning("the cloud cannot be asked; going on with what it said last", why=failed.message)
        return member


class JoinedHost:
    """All parts of a host from afar, wired."""

    def __init__(self, state: State, settings: Settings, member: Membership) -> None:
        self._state = state
        self._member = member
        self._clock = SystemClock()
        # The agent's long poll and its reports, images and questions each have connections of their own.
        self._dialler = dialler(state, member)
        self._questions = dialler(state, member)
        far = machine.FarNetwork(member.address, member.cloud.southbound, own_certificate(state))
        self._parts = machine.far_parts(state, settings, far, FarMetadata(self._dialler))
        images = FarImages(state, self._dialler)
        files = FarServerFiles(self._dialler)
        streams = FarServerStreams(self._dialler)
        keys = FarVolumeKeys(self._dialler)
        self._runs = machine.hypervisor(
            state,
            settings,
            images,
            self._parts.plug,
            self._clock,
            files=files,
            streams=streams,
            keys=keys,
            passwords=FarPasswords(self._dialler),
        )
        objects = FarChunks(self._dialler)
        self._volumes = volume_backends(
            state, settings, images, member.host, far=FarVolumeFiles(self._dialler), keys=keys, objects=objects
        )
        self._ways = volume_ways(state, settings, member.host, self._volumes, FarLinkKeys(self._dialler))
        self._volume_bytes = BytesAnswers(member.host, self._volumes, state / "cache" / "leaving")
        copy_attached(self._volumes, self._runs)
        self._volume_bytes.copy_attached(self._runs)
        self._exchange = RemoteExchange(self._dialler)
        self._objects = JoinedObjects(state, settings, member, self._questions, self._clock)
        self._agent: Agent | None = None

    async def work(self) -> None:
        """Never returns; the host does as wanted."""
        await self._start_network()
        self._agent = await machine.agent(
            self._member.host, self._exchange, self._runs, self._parts, self._clock, (self._volumes, self._ways)
        )
        await self._agent.start()
        log.info("the host is at work", host=self._member.host, cloud=self._member.url)
        await _together(self._tell_ready(), self._answers().listen(), self._keep_fresh(), self._objects.work())

    async def close(self) -> None:
        """This process has let go of everything; servers and networks go on."""
        if self._agent is not None:
            await self._agent.stop()
        await self._objects.close()
        await self._runs.close()
        await self._volume_bytes.close()
        for backend in self._volumes.values():
            await backend.close()
        await self._parts.close()
        for asks in (self._dialler, self._questions):
            await asks.close()

    async def _start_network(self) -> None:
        pause_s = 1.0
        while True:
            try:
                await self._parts.start()
                return
            except Exception as failed:  # noqa: BLE001 - whatever it is, it is tried again, and the log says it
                log.broke("the network does not start", failed, again_in_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _answers(self) -> Answers:
        local = machine.LocalConsoles(self._member.host)
        local.of = self._runs
        consoles = ConsoleAnswers(self._member.host, local)
        host = self._member.host
        opens: dict[str, Connects] = {
            "file": FileAnswers(host, local),
            "landing": StreamAnswers(host, local),
            "disk": self._volume_bytes,
        }
        streams = HostStreams(opens, consoles)
        return Answers(self._questions, consoles.tell, streams.connect)

    async def _tell_ready(self) -> None:
        await self._exchange.heard.wait()
        write_whole(self._state / "run" / READY, "")

    async def _keep_fresh(self) -> None:
        while True:
            try:
                if await renew_if_due(self._state, self._dialler, self._member):
                    for asks in (self._dialler, self._questions):
                        await _renew(self._state, asks)
                    log.info("the certificate is renewed")
            except Problem as failed:
                log.warning("the certificate cannot be renewed", why=failed.message)
            await asyncio.sleep(RENEW_EVERY_S)


async def _renew(state: State, asks: Dialler) -> None:
    await asks.renew(tls(state))


async def _together(*work: Coroutine[None, None, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)


if __name__ == "__main__":
    sys.exit(main())

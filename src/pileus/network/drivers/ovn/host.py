"""A host's OVN as one thing to start and stop: daemons, the link to the machine, TAPs, metadata.

`start` may be repeated and finds what an earlier process left; `close` leaves everything running for the next one;
`remove` takes all of it away. The controller's `OvnFabric` connects to `socket`.
"""

import asyncio
from pathlib import Path

import msgspec

from pileus.kit.run import ProgramFailed, run
from pileus.network.drivers.interface import DriverError, MetadataAnswers
from pileus.network.drivers.ovn import namespace
from pileus.network.drivers.ovn.daemons import Daemons, DaemonState, Settings, Tls
from pileus.network.drivers.ovn.link import ExternalLink, ensure_link, remove_link
from pileus.network.drivers.ovn.metadata import OvnMetadataDoors, remove_namespace
from pileus.network.drivers.ovn.place import Place
from pileus.network.drivers.ovn.plug import OvnPlug
from pileus.network.drivers.ovn.underlay import Underlay, ensure_underlay, remove_underlay
from pileus.network.drivers.ovn.watch import TapWatch


class OvnHost:
    """This machine's OVN for the cloud with the given state directory."""

    def __init__(
        self,
        state: Path,
        settings: Settings,
        answers: MetadataAnswers,
        link: ExternalLink | None = None,
        underlay: Underlay | None = None,
    ) -> None:
        self.place = Place(state)
        self._settings = settings
        self._link = link
        self._underlay = underlay
        self._started = False
        self._daemons = Daemons(self.place, settings)
        self.plug = OvnPlug(self.place, self._daemons)
        self.doors = OvnMetadataDoors(self.place, self._daemons, answers)
        self._watch: asyncio.Task[None] | None = None
        self._taps = TapWatch(self.place, self.plug, self.plug.tell_lost)

    @property
    def socket(self) -> Path:
        """Where the northbound and southbound databases answer."""
        return self.place.socket

    async def start(self) -> None:
        """Everything runs, and is repaired from now on whenever it does not."""
        self._started = True
        await self.repair()
        if self._watch is None:
            self._watch = asyncio.create_task(self._daemons.keep_running(self.repair), name="ovn daemons")
        self._taps.start()

    async def span(self, address: str, relay: str, tls: Tls) -> None:
        """Networks reach other hosts too: by that address of this machine, with a relay of the southbound database."""
        self._settings = msgspec.structs.replace(self._settings, tunnel_ip=address, relay=relay, tls=tls)
        self._daemons.become(self._settings)
        self._underlay = Underlay(address)
        if self._started:
            await self.repair()

    async def forget(self, host: str) -> None:
        """OVN knows nothing of a host that was removed and may have had no chance to say good-bye."""
        remote = f"--db=unix:{self.place.socket}"
        try:
            await run(["ovn-sbctl", remote, "--timeout=20", "--if-exists", "chassis-del", host])
        except ProgramFailed as failed:
            raise DriverError(f"forget host {host}", failed.why) from failed

    async def repair(self) -> tuple[str, ...]:
        """Everything runs; returns the names of daemons that had to be started."""
        started = await self._daemons.ensure_running()
        if self._link is not None:
            await ensure_link(self.place, self._daemons, self._link)
        if self._underlay is not None:
            await ensure_underlay(self.place, self._daemons, self._underlay)
        if started:
            await self.plug.restore()
        return started

    async def close(self) -> None:
        """This process has let go; the network goes on."""
        await self._taps.stop()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        await self.doors.close()

    async def remove(self) -> None:
        """Nothing of this cloud's network is left on the machine but its databases."""
        await self.close()
        try:
            await remove_link(self.place)
            await remove_underlay(self.place)
            await self._daemons.stop()
            for space in namespace.named(self.place.metadata_namespace()):
                await remove_namespace(space)
        except ProgramFailed as failed:
            raise DriverError("remove OVN", str(failed)) from failed

    def daemons(self) -> tuple[DaemonState, ...]:
        """Each daemon with its memory and CPU time."""
        return self._daemons.states()

"""Network cards that come and go: each port keeps its slot, and a guest that runs is asked to let go of what it loses.

    new: remember the slot -> plug the port -> hand QEMU its tap -> add the card
    old: ask the guest -> (it lets go, DEVICE_DELETED) -> drop the tap -> unplug the port -> forget the slot

A card on its way in or out stands in `Run.changing`, so whoever comes after us finds it whatever we were doing; which of
those QEMU has is asked of QEMU.
"""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence

import msgspec

from pileus.compute.drivers.interface import DriverError, Nic, Wanted
from pileus.compute.drivers.qemu.argv import MAX_NICS, nic_options
from pileus.compute.drivers.qemu.home import Home
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.ports.plug import Plug, PortPlug

ASK_AGAIN_S = 6.0  # QEMU takes the same request again after 5 s: a guest that still booted has not heard it
PERIPHERALS = "/machine/peripheral"


class Peripheral(msgspec.Struct):
    """A device of QEMU's, by the name we gave it."""

    name: str


def placed(nics: Sequence[Nic], cards: Mapping[str, int]) -> dict[str, int]:
    """The slot of each card: the one it has, or the first that is free."""
    kept = {nic.port_id: cards[nic.port_id] for nic in nics if nic.port_id in cards}
    free = (slot for slot in range(MAX_NICS) if slot not in kept.values())
    return {nic.port_id: kept[nic.port_id] if nic.port_id in kept else next(free) for nic in nics}


class Cards:
    """The cards of one server."""

    def __init__(self, home: Home, plug: Plug) -> None:
        self._home = home
        self._plug = plug
        self._asked: dict[str, float] = {}
        self.doubtful = False  # a device went away, maybe one that is wanted again

    async def settle_at_rest(self, wanted: Wanted) -> None:
        """A server that does not run will have the cards that are wanted; the ports of others are unplugged."""
        run = self._home.run()
        cards = {**(run.cards or {}), **run.changing}
        for port_id in cards.keys() - {nic.port_id for nic in wanted.nics}:
            await self._plug.ensure_unplugged(port_id)
        self._keep(placed(wanted.nics, cards), {})

    async def settle_running(self, wanted: Wanted, monitor: Monitor) -> float | None:
        """Every card came or went that could; returns after how many seconds to come again for those that did not."""
        self._note_changes(wanted)
        there = await devices(monitor)
        nics = {nic.port_id: nic for nic in wanted.nics}
        for port_id, slot in self._home.run().changing.items():
            nic = nics.get(port_id)
            if nic is not None:
                await self._add(nic, slot, monitor, there)
            elif device(slot) in there:
                await self._ask_to_let_go(port_id, slot, monitor)
            else:
                await self._drop(port_id, slot, monitor)
        return ASK_AGAIN_S if self._home.run().changing else None

    async def doubt(self, monitor: Monitor) -> None:
        """Cards that QEMU does not have are on their way in again: a guest let go of one after that had been taken back."""
        self.doubtful = False
        run, there = self._home.run(), await devices(monitor)
        cards = run.cards or {}
        lost = {port_id: slot for port_id, slot in cards.items() if device(slot) not in there}
        if lost:
            rest = {port_id: slot for port_id, slot in cards.items() if port_id not in lost}
            self._keep(rest, {**run.changing, **lost})

    def _note_changes(self, wanted: Wanted) -> None:
        run = self._home.run()
        cards, changing = dict(run.cards or {}), dict(run.changing)
        asked = {nic.port_id for nic in wanted.nics}
        changing |= {port_id: cards.pop(port_id) for port_id in cards.keys() - asked}
        taken = {*cards.values(), *changing.values()}
        free = (slot for slot in range(MAX_NICS) if slot not in taken)
        for nic in wanted.nics:
            if nic.port_id not in cards and nic.port_id not in changing:
                slot = next(free, None)
                if slot is None:
                    raise DriverError("The server has no slot left for a card", f"{MAX_NICS} is the most")
                changing[nic.port_id] = slot
        self._keep(cards, changing)

    async def _add(self, nic: Nic, slot: int, monitor: Monitor, there: set[str]) -> None:
        if device(slot) not in there:
            # Left by whoever died on this way. QEMU keeps a tap that was handed to it, and only one may have it open.
            for leftover in ({"command": "netdev_del", "id": net(slot)}, {"command": "closefd", "fdname": net(slot)}):
                with contextlib.suppress(DriverError):
                    await monitor.execute(**leftover)
            await self._plug.ensure_plugged(PortPlug(nic.port_id, nic.mac, nic.mtu))
            tap = await self._plug.open_tap(nic.port_id)
            try:
                await monitor.hand(net(slot), tap)
            finally:
                os.close(tap)
            await monitor.execute("netdev_add", type="tap", id=net(slot), fd=net(slot), vhost=False)
            await monitor.execute("device_add", **nic_options(slot, nic))
        run = self._home.run()
        self._keep({**(run.cards or {}), nic.port_id: slot}, _without(run.changing, nic.port_id))

    async def _ask_to_let_go(self, port_id: str, slot: int, monitor: Monitor) -> None:
        now = time.monotonic()
        if now - self._asked.get(port_id, -ASK_AGAIN_S) < ASK_AGAIN_S:
            return
        self._asked[port_id] = now
        try:
            await monitor.execute("device_del", id=device(slot))
        except DriverError as refused:
            # Whoever was here before us asked just now.
            if "in the process of unplug" not in refused.why:
                raise

    async def _drop(self, port_id: str, slot: int, monitor: Monitor) -> None:
        with contextlib.suppress(DriverError):  # Dropped already by whoever died before noting it.
            await monitor.execute("netdev_del", id=net(slot))
        await self._plug.ensure_unplugged(port_id)
        self._asked.pop(port_id, None)
        run = self._home.run()
        self._keep(run.cards or {}, _without(run.changing, port_id))

    def _keep(self, cards: Mapping[str, int], changing: Mapping[str, int]) -> None:
        run = self._home.run()
        now = msgspec.structs.replace(run, cards=dict(cards), changing=dict(changing))
        if now != run:
            self._home.keep_run(now)


def device(slot: int) -> str:
    """The name of a card in QEMU."""
    return f"nic{slot}"


def net(slot: int) -> str:
    """The name of what is behind a card in QEMU."""
    return f"net{slot}"


def _without(cards: Mapping[str, int], port_id: str) -> dict[str, int]:
    return {id: slot for id, slot in cards.items() if id != port_id}


async def devices(monitor: Monitor) -> set[str]:
    """The names of the devices of ours that QEMU has."""
    return {
        each.name for each in msgspec.convert(await monitor.execute("qom-list", path=PERIPHERALS), list[Peripheral])
    }

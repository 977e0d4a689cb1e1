"""What containers tell their accounts, and shards the container they are of: how much they hold. Many changes are told at once."""

import asyncio
import contextlib

from pileus.kit.observe.log import log_of
from pileus.object_store.errors import Missing, StorageProblem
from pileus.object_store.models.listings import ContainerRow
from pileus.object_store.models.paths import Path
from pileus.object_store.models.shards import ACCOUNT as SHARDS
from pileus.object_store.models.stamps import Stamps
from pileus.object_store.ring.places import Place
from pileus.object_store.ring.rings import Rings
from pileus.object_store.storage.devices import Devices
from pileus.object_store.storage.divided import Divided
from pileus.object_store.storage.interface import Servers

log = log_of(__name__)

REPORT_AFTER_S = 0.2  # accounts hear of what many PUTs did to a container at once


class Reports:
    """Reports of the containers on this machine."""

    def __init__(self, devices: Devices, rings: Rings, stamps: Stamps, divided: Divided) -> None:
        self._devices = devices
        self._rings = rings
        self._stamps = stamps
        self._divided = divided
        self._waiting: dict[tuple[str, Path], asyncio.Task[None]] = {}
        self._due: dict[tuple[str, Path], tuple[Place, Path]] = {}
        self.servers: Servers | None = None  # how accounts are reached

    def soon(self, place: Place, path: Path) -> None:
        """The account hears of its container in a moment."""
        key = (place.device.name, path)
        self._due[key] = (place, path)
        if key not in self._waiting:
            self._waiting[key] = asyncio.create_task(self._soon(key, place, path))

    async def _soon(self, key: tuple[str, Path], place: Place, path: Path) -> None:
        await asyncio.sleep(REPORT_AFTER_S)
        self._waiting.pop(key, None)
        self._due.pop(key, None)
        await self.at_once(place, path)

    async def report(self, place: Place, path: Path) -> None:
        """The account knows what its container holds, or whether it is gone."""
        device = self._devices.of(place)
        ledger = device.containers.ledger(place.partition, self._rings.hash(path))
        now = await device.keep_book(lambda: ledger.facts(deleted_too=True))
        assert path.container is not None
        if now.root is not None:
            with contextlib.suppress(Missing):
                held = (now.count, now.bytes, self._stamps.next())
                await self._divided.tell_root(place, now.root, path.container, held)
            return
        row = ContainerRow(
            name=path.container,
            put_stamp=now.put_stamp,
            delete_stamp=now.delete_stamp if now.deleted else "",
            count=now.count,
            bytes=now.bytes,
            policy=now.policy,
            changed=self._stamps.next(),
        )
        assert self.servers is not None
        places = self._rings.places(path.above)
        mine = places if place.index is None else [places[place.index % len(places)]]
        for target in mine:
            with contextlib.suppress(Missing):  # an account that is gone need not know
                await self.servers.of(target).accounts.merge(target, path.above, [row])

    async def at_once(self, place: Place, path: Path) -> None:
        """The account knows, if it can be told now."""
        try:
            await self.report(place, path)
        except StorageProblem as failed:  # the worker that looks after it does it later
            log.info("an account was not told of its container", container=str(path), why=failed.message)

    async def of_shards(self, path: Path) -> None:
        """What shards here were about to report has been reported."""
        if self._due and not path.account.startswith(SHARDS):
            await self.settle(f"{SHARDS}{path.account}")

    async def settle(self, account: str) -> None:
        """What containers of an account here are about to report has been reported."""
        if not account.startswith(SHARDS):
            await self.settle(f"{SHARDS}{account}")
        for place, path in [due for due in self._due.values() if due[1].account == account]:
            self._due.pop((place.device.name, path), None)
            await self.at_once(place, path)

    async def close(self) -> None:
        """Nothing is under way."""
        for task in list(self._waiting.values()):
            await task

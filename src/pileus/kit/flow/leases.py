"""Who of several controllers over one database is alive, and which of them runs what only one may run.

A controller beats: it adds one to its row. Who sees another's count stand still for a while, by their own clock, strikes
that row out, so no two clocks are ever compared. What a controller holds, it holds as long as its row stands: operations
name their holder themselves, standing work is listed here. Taking something over changes its generation, which is what
fences off a holder that was only slow; that it stops by itself sooner is a courtesy.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import msgspec
import sqlalchemy as sa

from pileus.kit.bus import Bus, Subscription
from pileus.kit.clock import Clock
from pileus.kit.db import Database, command, query, scalar, upsert
from pileus.kit.observe.log import log_of
from pileus.kit.tables import controllers, standing_holders

log = log_of(__name__)

CONTROLLERS = "controllers"  # topic: one has come or gone

BEAT_S = 3.0
LAPSE_S = 15.0  # a count that stands still for so long belongs to nobody
OWN_S = 12.0  # and whoever could not beat for so long holds nothing, before others say so

JOIN = command(sa.insert(controllers))
FORMER_LIFE = command(sa.delete(controllers).where(controllers.c.place == sa.bindparam("of_place")))
LEAVE = command(sa.delete(controllers).where(controllers.c.name == sa.bindparam("of_name")))
BEAT = command(
    sa.update(controllers).where(controllers.c.name == sa.bindparam("of_name")).values(beat=controllers.c.beat + 1)
)
STRIKE_OUT = command(
    sa.delete(controllers).where(
        controllers.c.name == sa.bindparam("of_name"), controllers.c.beat == sa.bindparam("of_beat")
    )
)
ALIVE = query(sa.select(controllers.c.name, controllers.c.beat), tuple[str, int])
HELD = query(
    sa.select(standing_holders.c.name, standing_holders.c.holder).join(
        controllers, controllers.c.name == standing_holders.c.holder
    ),
    tuple[str, str],
)
HOLDER = scalar(
    sa.select(standing_holders.c.holder)
    .join(controllers, controllers.c.name == standing_holders.c.holder)
    .where(standing_holders.c.name == sa.bindparam("of_name")),
    str,
)
HOLD = command(upsert(standing_holders, ["name"], ["holder"]))


class _Heard(msgspec.Struct, frozen=True):
    """A count, and since when it stands there."""

    beat: int
    since: float


class Leases:
    """This controller among the others. `place` tells where it lives, so that its next life need not wait for its lapse."""

    def __init__(self, db: Database, bus: Bus, clock: Clock, place: str) -> None:
        self.name = str(uuid.uuid4())
        self._place = place
        self._db = db
        self._bus = bus
        self._clock = clock
        self._beaten: float | None = None
        self._heard: dict[str, _Heard] = {}
        self._held: dict[str, str] = {}
        self._on_turn: list[Callable[[], Awaitable[None]]] = []
        self._on_lost: list[Callable[[], None]] = []
        self._keeping: asyncio.Task[None] | None = None
        self._lapse: asyncio.TimerHandle | None = None
        self._told: Subscription | None = None

    @property
    def holds(self) -> bool:
        """Whether what names this controller as its holder is its own to run."""
        return self._beaten is not None and self._clock.monotonic() - self._beaten < OWN_S

    def on_turn(self, look: Callable[[], Awaitable[None]]) -> None:
        """Call after each beat: what others held may have fallen free."""
        self._on_turn.append(look)

    def on_lost(self, drop: Callable[[], None]) -> None:
        """Call when this controller may no longer run what it held."""
        self._on_lost.append(drop)

    async def start(self) -> None:
        """This controller is one of those alive, until it stops or cannot beat."""
        await self.join()
        self._told = self._bus.subscribe(CONTROLLERS)
        self._keeping = asyncio.create_task(self._keep(self._told), name="leases")

    async def stop(self) -> None:
        """What this controller held is free, and the others know; its work must have stopped before."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None
        if self._lapse is not None:
            self._lapse.cancel()
        if self._told is not None:
            self._told.close()
        if self._beaten is not None:
            try:
                await self.leave()
            except Exception as failed:  # noqa: BLE001 - the others find out by the silence
                log.broke("this controller could not take its leave", failed)

    async def join(self) -> None:
        """This controller has a row, and its former life at this place has none."""
        now = self._clock.monotonic()
        async with self._db.transaction():
            await self._db.run(FORMER_LIFE, of_place=self._place)
            await self._db.run(JOIN, name=self.name, place=self._place, beat=1)
        self._beat_counts(now)

    async def leave(self) -> None:
        """This controller has no row."""
        self._lost()
        await self._db.run(LEAVE, of_name=self.name)
        self._bus.wake(CONTROLLERS, self.name)

    async def turn(self) -> None:
        """This controller has beaten; those that have not for long are struck out, and what is free can be taken."""
        now = self._clock.monotonic()
        if self._beaten is not None and not self.holds:
            self._lost()
        if not await self._db.run(BEAT, of_name=self.name):
            log.warning("this controller was given up by the others", controller=self.name)
            self._lost()
            await self._db.run(JOIN, name=self.name, place=self._place, beat=1)
        self._beat_counts(now)
        await self._listen()
        self._held = dict(await self._db.all(HELD))
        for look in self._on_turn:
            await look()

    async def has(self, standing: str) -> bool:
        """Whether the standing work of that name is this controller's to run now; taken when nobody has it."""
        if not self.holds:
            return False
        holder = self._held.get(standing)
        if holder is None:
            async with self._db.transaction():
                holder = await self._db.one(HOLDER, of_name=standing)
                if holder is None:
                    holder = self.name
                    await self._db.run(HOLD, name=standing, holder=holder)
            self._held[standing] = holder
        return holder == self.name

    async def _listen(self) -> None:
        """Whose count stands still for too long has no row any more."""
        now = self._clock.monotonic()
        heard: dict[str, _Heard] = {}
        for name, beat in await self._db.all(ALIVE):
            before = self._heard.get(name)
            heard[name] = before if before is not None and before.beat == beat else _Heard(beat, now)
            if name != self.name and now - heard[name].since >= LAPSE_S:
                log.warning("a controller is silent: others take over", controller=name)
                await self._db.run(STRIKE_OUT, of_name=name, of_beat=beat)
        self._heard = heard

    async def _keep(self, told: Subscription) -> None:
        while True:
            try:
                await self.turn()
            except Exception as failed:  # noqa: BLE001 - the database may be away; what is held lapses meanwhile
                log.broke("this controller could not beat", failed)
            await told.next(BEAT_S)

    def _beat_counts(self, at: float) -> None:
        self._beaten = at
        if self._lapse is not None:
            self._lapse.cancel()
        left_s = OWN_S - (self._clock.monotonic() - at)
        self._lapse = asyncio.get_running_loop().call_later(left_s, self._lapsed)

    def _lapsed(self) -> None:
        log.warning("this controller could not beat for too long: it lets go of its work", after_s=OWN_S)
        self._lost()

    def _lost(self) -> None:
        self._beaten = None
        self._held = {}
        for drop in self._on_lost:
            drop()

"""Wake-ups between controllers that share a PostgreSQL: LISTEN and NOTIFY on one connection of its own.

Inside the process a wake-up is heard at once. To the others it goes with all that gather while the last notification is
under way, each once. When the connection is lost it is made anew; what was sent meanwhile is lost, as the contract allows.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Iterable, Iterator

import msgspec

from pileus.kit.bus import LocalBus, LocalSubscription, WakeUp
from pileus.kit.db.errors import DatabaseUnavailable
from pileus.kit.db.pool import Connection, connect
from pileus.kit.db.refusals import DRIVER_ERRORS
from pileus.kit.observe.log import log_of

log = log_of(__name__)

CHANNEL = "pileus"
LETTER_BYTES = 7_900  # NOTIFY takes less than 8000
MOST_UNSENT = 10_000
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
CLOSE_S = 2.0


class _Letter(msgspec.Struct, frozen=True, array_like=True):
    """What one notification holds; the sender has heard its own wake-ups already."""

    sender: str
    wake_ups: list[WakeUp]


def letters(sender: str, wake_ups: Iterable[WakeUp]) -> Iterator[str]:
    """The wake-ups in as few notifications as hold them."""
    room = start = LETTER_BYTES - len(sender) - 10
    held: list[WakeUp] = []
    for wake_up in wake_ups:
        size = len(msgspec.json.encode(wake_up)) + 1
        if held and size > room:
            yield msgspec.json.encode(_Letter(sender, held)).decode()
            held, room = [], start
        held.append(wake_up)
        room -= size
    if held:
        yield msgspec.json.encode(_Letter(sender, held)).decode()


class PostgresBus:
    """Wake-ups between all programs that have opened a bus on the same database."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._name = uuid.uuid4().hex
        self._local = LocalBus()
        self._unsent: dict[WakeUp, None] = {}
        self._stir = asyncio.Event()
        self._read = msgspec.json.Decoder(_Letter).decode
        self._work: asyncio.Task[None] | None = None
        self._closing = False

    @classmethod
    async def open(cls, address: str) -> "PostgresBus":
        """Hear and be heard from now on; raises DatabaseUnavailable where there is no database."""
        bus = cls(address)
        connection = await bus._connected()
        bus._work = asyncio.create_task(bus._keep_going(connection), name="wake-ups by PostgreSQL")
        return bus

    async def close(self) -> None:
        """What was woken has been sent, if the database answers; nothing is heard any more."""
        self._closing = True
        self._stir.set()
        if self._work is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._work
            self._work = None

    def wake(self, topic: str, id: str) -> None:
        """Wake everyone who waits for this id of the topic, or for the whole topic."""
        self._local.wake(topic, id)
        if len(self._unsent) < MOST_UNSENT:
            self._unsent[WakeUp(topic, id)] = None
            self._stir.set()

    def subscribe(self, *topics: str, id: str | None = None) -> LocalSubscription:
        """Collect wake-ups of these topics, of one id or of all; close it after use (it is a context manager)."""
        return self._local.subscribe(*topics, id=id)

    async def wait(self, topic: str, id: str | None = None, timeout_s: float | None = None) -> bool:
        """Wait for one wake-up; False when the time is over. What came before the call is not seen: subscribe then."""
        return await self._local.wait(topic, id, timeout_s)

    async def _connected(self) -> Connection:
        connection = await connect(self._address)
        try:
            connection.add_termination_listener(self._lost)
            await connection.add_listener(CHANNEL, self._hear)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _lost(self, _connection: object) -> None:
        self._stir.set()

    def _hear(self, _connection: object, _pid: int, _channel: str, letter: str) -> None:
        try:
            read = self._read(letter)
        except msgspec.DecodeError as odd:
            log.warning("a notification cannot be read", why=str(odd))
            return
        if read.sender != self._name:
            for wake_up in read.wake_ups:
                self._local.wake(wake_up.topic, wake_up.id)

    async def _keep_going(self, connection: Connection) -> None:
        """Send for ever, on a new connection whenever one is lost."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._send(connection)
            except DRIVER_ERRORS as failed:
                log.warning("wake-ups between controllers are interrupted", why=str(failed) or type(failed).__name__)
            finally:
                connection.terminate()
            while not self._closing:
                try:
                    connection = await self._connected()
                    pause_s = FIRST_PAUSE_S
                    break
                except (DatabaseUnavailable, *DRIVER_ERRORS):
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            if self._closing:
                connection.terminate()
                return

    async def _send(self, connection: Connection) -> None:
        """Send what is woken, until the connection is lost or the bus closes."""
        while not connection.is_closed():
            self._stir.clear()
            gathered, self._unsent = self._unsent, {}
            try:
                for letter in letters(self._name, gathered):
                    await connection.execute(f"SELECT pg_notify('{CHANNEL}', $1)", letter)
            except BaseException:
                self._unsent = {**gathered, **self._unsent}
                raise
            if self._closing and not self._unsent:
                await connection.close(timeout=CLOSE_S)
                return
            if not self._unsent:
                await self._stir.wait()

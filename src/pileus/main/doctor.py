"""The doctor: compares what the tables say with what hosts, switches and disks hold, and mends what is safe to mend.

Every check is a question with no effect; a finding says what is wrong, where that comes from and what helps, and some can be
mended here: by the very commands and ensures the cloud itself would use, so that mending twice does no harm.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import sqlalchemy as sa

from pileus.block_storage.app import BlockStorage
from pileus.compute.app import Compute
from pileus.compute.tables import SERVERS
from pileus.image.app import ImageApp
from pileus.kit.bus import Bus
from pileus.kit.clock import Clock
from pileus.kit.db import Database, query, scalar
from pileus.kit.flow.engine import Engine
from pileus.kit.hosts.control import Hosts
from pileus.kit.observe.log import log_of
from pileus.kit.tables import operations
from pileus.main.doctor_machine import Machine
from pileus.network.app import Network
from pileus.placement.app import PlacementApp

log = log_of(__name__)

Mend = Callable[[], Awaitable[object]]
# A look reads tables, hosts and the machine one after the other, and a cloud at work moves on between them. What is only
# on its way is elsewhere at the next look, and mending it would harm it.
LOOK_AGAIN_S = (1.0, 3.0)


class Finding(msgspec.Struct, frozen=True):
    """Something is wrong; `mend` makes it right if that is safe."""

    code: str  # such as "server.without_room"
    subject: str
    what: str
    cause: str
    remedy: str
    mend: Mend | None = None
    parts: frozenset[str] = frozenset()  # of one that sums up several: those that are wrong

    def was_in(self, earlier: Sequence["Finding"]) -> bool:
        """Whether the same was wrong at an earlier look."""
        return any(
            (self.code, self.subject) == (other.code, other.subject)
            and (not self.parts or bool(self.parts & other.parts))
            for other in earlier
        )


class Known(msgspec.Struct, frozen=True):
    """What the doctor has to know of a server that is not deleted."""

    id: str
    name: str
    host: str | None
    power_wanted: str
    broken: bool
    phase: str | None
    launched: bool
    project_id: str
    user_id: str
    busy: bool  # an operation is under way, so nothing is settled

    @property
    def settled(self) -> bool:
        """Whether it is plainly on or off, with nobody at work on it."""
        return self.launched and not self.broken and not self.busy and self.phase is None

    @property
    def on(self) -> bool:
        """Whether it shall run."""
        return self.power_wanted == "on"


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    """A cloud as the doctor gets hold of it."""

    db: Database
    clock: Clock
    bus: Bus
    engine: Engine
    hosts: Hosts
    machine: Machine
    own_host: str
    compute: Compute | None = None
    network: Network | None = None
    image: ImageApp | None = None
    placement: PlacementApp | None = None
    storage: BlockStorage | None = None


Check = Callable[[Patient], Awaitable[Sequence[Finding]]]

_at_work = (
    sa.select(operations.c.subject)
    .where(operations.c.state.in_([sa.literal_column("'running'"), sa.literal_column("'queued'")]))
    .scalar_subquery()
)
SERVERS_KNOWN = query(
    sa.select(
        SERVERS.c.id, SERVERS.c.name, SERVERS.c.host, SERVERS.c.power_wanted, SERVERS.c.broken, SERVERS.c.phase,
        SERVERS.c.launched_at.is_not(None).label("launched"), SERVERS.c.project_id, SERVERS.c.user_id,
        (sa.literal_column("'server:'") + SERVERS.c.id).in_(_at_work).label("busy"),
    ).where(SERVERS.c.deleted_at.is_(None)).order_by(SERVERS.c.id),
    Known,
)  # fmt: skip
DELETED_IDS = scalar(sa.select(SERVERS.c.id).where(SERVERS.c.deleted_at.is_not(None)), str)


async def servers_known(patient: Patient) -> dict[str, Known]:
    """Every server that is not deleted, by id."""
    return {} if patient.compute is None else {one.id: one for one in await patient.db.all(SERVERS_KNOWN)}


async def servers_deleted(patient: Patient) -> set[str]:
    """The ids of servers that were deleted: what bears one of them is left over, and not a stranger's."""
    return set() if patient.compute is None else set(await patient.db.all(DELETED_IDS))


async def examine(patient: Patient, checks: Sequence[Check]) -> list[Finding]:
    """All that is wrong, in the order of the checks. One that cannot be made is a finding, too."""
    found: list[Finding] = []
    for check in checks:
        try:
            found += await check(patient)
        except Exception as failed:  # noqa: BLE001  the other questions are worth an answer all the same
            log.broke("a check failed", failed, check=check.__name__)
            why = f"{type(failed).__name__}: {failed}"
            found.append(
                Finding("check.failed", check.__name__, "cannot be looked at", why, "Mend the cause and look again.")
            )
    return found


async def examine_settled(
    patient: Patient, checks: Sequence[Check], pause: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> list[Finding]:
    """What is wrong at every one of several looks, in the order of the checks; only those that found something look again."""
    lasting = {check: await examine(patient, [check]) for check in checks}
    for pause_s in LOOK_AGAIN_S:
        if not any(lasting.values()):
            break
        await pause(pause_s)
        for check, before in lasting.items():
            if before:
                lasting[check] = [one for one in await examine(patient, [check]) if one.was_in(before)]
    return [finding for check in checks for finding in lasting[check]]


async def mend(findings: Sequence[Finding]) -> dict[Finding, str | None]:
    """What can be mended is; by finding, why it could not be, or None."""
    done: dict[Finding, str | None] = {}
    for finding in findings:
        if finding.mend is None:
            continue
        try:
            await finding.mend()
            done[finding] = None
        except Exception as failed:  # noqa: BLE001  the rest can be mended all the same
            log.broke("mending failed", failed, code=finding.code, subject=finding.subject)
            done[finding] = f"{type(failed).__name__}: {failed}"
    return done

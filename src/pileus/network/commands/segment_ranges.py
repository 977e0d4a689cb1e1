"""Ranges of segments: what one can ask for, and the numbers new networks get."""

import secrets
import uuid
from collections.abc import Iterable, Mapping

import msgspec

from pileus.network.app import Network as App
from pileus.network.commands.standard import change, standard, tell
from pileus.network.errors import InvalidInput
from pileus.network.errors.segment_ranges import (
    NetworkSegmentRangeDefaultReadOnly,
    NetworkSegmentRangeOverlaps,
    NetworkSegmentRangeReferencedByProject,
)
from pileus.network.models.requests import NewSegmentRange
from pileus.network.models.resources import Network
from pileus.network.models.segment_ranges import LIMITS, MAX_VNI, SegmentRange, numbers_for
from pileus.network.store import segment_ranges as rows

TRIES = 100
_DEFAULTS = uuid.UUID("0d0f5b5e-7a43-5c11-8f1e-3f1b7a2c9d10")


async def ensure_defaults(app: App) -> None:
    """The ranges that hold all numbers there are have rows, the same on every controller."""
    kinds = [("geneve", ""), *(("vlan", name) for name in app.config.external_networks)]
    now = app.clock.now()
    for network_type, physical in kinds:
        made = SegmentRange(
            id=str(uuid.uuid5(_DEFAULTS, f"{network_type}/{physical}")),
            project_id="",
            name="",
            description="",
            tags=(),
            revision=0,
            created_at=now,
            updated_at=now,
            network_type=network_type,
            physical_network=physical,
            minimum=1,
            maximum=LIMITS[network_type],
            shared=True,
            default=True,
        )
        await app.db.run(rows.ENSURE, **rows.SHELF.row(made))


async def create_range(app: App, wanted: NewSegmentRange) -> SegmentRange:
    """The range is there; raises InvalidInput or NetworkSegmentRangeOverlaps."""
    known = app.config.external_networks
    if wanted.network_type not in LIMITS:
        raise InvalidInput(why=f"network_type '{wanted.network_type}' is not one of {', '.join(LIMITS)}")
    if wanted.network_type == "vlan" and wanted.physical_network not in known:
        raise InvalidInput(why=f"physical_network '{wanted.physical_network}' unknown; there is {', '.join(known)}")
    if wanted.network_type != "vlan" and wanted.physical_network:
        raise InvalidInput(why=f"physical_network specified for {wanted.network_type} network segment range")
    if not wanted.shared and not wanted.project_id:
        raise InvalidInput(why="project_id: a range that is not shared is for a project")
    made = SegmentRange(
        **standard(app, wanted),
        network_type=wanted.network_type,
        physical_network=wanted.physical_network or "",
        minimum=wanted.minimum,
        maximum=wanted.maximum,
        shared=wanted.shared,
        default=False,
    )
    await _check_numbers(app, made)
    await rows.SHELF.insert(app.db, made)
    await tell(app, "network_segment_range.created", made)
    return made


async def update_range(app: App, range: SegmentRange, values: Mapping[str, object]) -> SegmentRange:
    """The range is as asked for; raises if networks have numbers that would be outside."""
    async with app.db.transaction():
        now = await _changeable(app, range)
        after = msgspec.structs.replace(now, **values)
        await _check_numbers(app, after)
        used = await rows.used_in(app.db, now)
        left_out = [number for number in used if not after.minimum <= number <= after.maximum]
        _check_unused(now, left_out)
        await change(app, rows.SHELF.change, now, values)
        await tell(app, "network_segment_range.updated", now)
        return await rows.SHELF.get(app.db, now.id)


async def delete_range(app: App, range: SegmentRange) -> None:
    """The range is gone; raises while networks have numbers of it."""
    async with app.db.transaction():
        now = await _changeable(app, range)
        _check_unused(now, list(await rows.used_in(app.db, now)))
        await app.db.run(rows.SHELF.delete, of_id=now.id)
        await tell(app, "network_segment_range.deleted", now)


async def numbers_to_try(app: App, network: Network) -> Iterable[int]:
    """Numbers a new network may get: of a physical network's few, those nobody has; of the many of tunnels, some."""
    kind = {"network_type": network.network_type, "physical_network": network.physical_network}
    numbers = numbers_for(await app.db.all(rows.OF_KIND, **kind), network.project_id)
    ranges = (*numbers.own, *numbers.shared)
    if not any(each.default for each in ranges):  # they have no rows yet
        await ensure_defaults(app)
        return await numbers_to_try(app, network)
    if not numbers.own and network.network_type == "geneve" and all(each.default for each in ranges):
        drawn = (1 + secrets.randbelow(MAX_VNI) for _ in range(TRIES))
        return (number for number in drawn if not numbers.reserved(number))
    least, most = min(each.minimum for each in ranges), max(each.maximum for each in ranges)
    used = await app.db.all(rows.USED, **kind, least=least, most=most)
    return numbers.free(frozenset(number for number, _ in used))


async def _changeable(app: App, range: SegmentRange) -> SegmentRange:
    now = await rows.SHELF.get(app.db, range.id)
    if now.default:
        raise NetworkSegmentRangeDefaultReadOnly(id=now.id)
    return now


def _check_unused(range: SegmentRange, numbers: Iterable[int]) -> None:
    found = ", ".join(str(number) for number in sorted(numbers))
    if found:
        raise NetworkSegmentRangeReferencedByProject(id=range.id, segments=found)


async def _check_numbers(app: App, made: SegmentRange) -> None:
    """Raises unless the range is one, of numbers there are, which no other has but the default."""
    limit = LIMITS[made.network_type]
    if not 1 <= made.minimum <= made.maximum <= limit:
        why = f"minimum {made.minimum} and maximum {made.maximum} are no range between 1 and {limit}"
        raise InvalidInput(why=why)
    there = await app.db.all(
        rows.OF_KIND, network_type=made.network_type, physical_network=made.physical_network
    )  # fmt: skip
    others = [each for each in there if not each.default and each.id != made.id and each.overlaps(made)]
    if others:
        told = ", ".join(f"{each.id} ({each.minimum}-{each.maximum})" for each in others)
        raise NetworkSegmentRangeOverlaps(minimum=made.minimum, maximum=made.maximum, ranges=told)

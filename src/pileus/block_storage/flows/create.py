"""Create: a new volume gets a place and is made there.

    choose a back end -> make there

A back end that cannot make a blank volume gives it up and another one is tried, three in all. When nothing helps the
volume is in error, a message says what spoke against each back end, and nothing of the volume is left anywhere.
"""

import msgspec

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.drivers.interface import Kind
from pileus.block_storage.flows import document
from pileus.block_storage.flows.choice import NONE_LEFT, choose_pool
from pileus.block_storage.flows.document import subject_id
from pileus.block_storage.flows.ending import explain, settle, tell
from pileus.block_storage.flows.hints import Hints, against
from pileus.block_storage.flows.pools import hosts_with
from pileus.block_storage.models import backups as backup_states
from pileus.block_storage.models.services import pool_name
from pileus.block_storage.models.volumes import AVAILABLE, CREATING, DOWNLOADING, ERROR, ERROR_RESTORING, Volume
from pileus.block_storage.store.backups import backups
from pileus.block_storage.store.types import types
from pileus.block_storage.store.volumes import snapshots, volumes
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step

TRIES = 3
DEADLINE_S = 7200.0


async def choose(app: BlockStorage, op: Operation) -> Outcome:
    """The row says where the volume will be."""
    async with app.db.transaction():
        volume = await volumes.find(app, subject_id(op))
        if volume is None or volume.host is not None:
            return Done()
        type = await types.find(app, volume.type_id)
        origin = volume.origin
        found = await choose_pool(
            app,
            volume,
            type,
            among=await _sources(app, volume, op),
            near=pool_name(origin.host, origin.backend) if origin is not None and origin.host is not None else None,
            failed=op.facts.get("failed", {}),
            against=await against(app, volume, msgspec.convert(op.args.get("hints", {}), Hints)),
        )
        if isinstance(found, str):
            return Fail(found)
        downloads = volume.status == CREATING and origin is not None and origin.kind == "image"
        # Written at once: the next volume is placed by what this one takes.
        await volumes.change(
            app, volume, host=found.host, backend=found.backend, updated_at=volume.updated_at,
            status=DOWNLOADING if downloads else volume.status,
        )  # fmt: skip
    return Done({"host": found.host, "pool": found.name})


async def _sources(app: BlockStorage, volume: Volume, op: Operation) -> list[str] | None:
    """The hosts a volume can be made on, because what it is made of is there, or because it was said; None: any."""
    wanted = op.args.get("host")
    if wanted:
        return [str(wanted)]
    origin = volume.origin
    if origin is None or origin.kind == "image":
        return None
    if origin.kind == "backup":
        return await _sources_of_backup(app, volume)
    table = {"volume": volumes, "snapshot": snapshots}[origin.kind]
    found = await table.find(app, origin.id)  # type: ignore[attr-defined]
    return [found.host] if found is not None and found.host is not None else []


async def _sources_of_backup(app: BlockStorage, volume: Volume) -> list[str] | None:
    """The hosts that get at the backup the volume is made of; None: any."""
    found = await backups.find(app, volume.backup_id)
    if found is None:
        return []
    if found.store is not None:
        return sorted(await hosts_with(app, found.store))
    # By the channel its host gives it to whoever makes the volume; while that is not there nobody can.
    return None if found.host is not None and await app.hosts.is_up(found.host) else [found.host or ""]


async def give_up_place(app: BlockStorage, op: Operation) -> Outcome:
    """The row says no place."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None:
        return Done()

    async def nowhere() -> None:
        await volumes.change(app, volume, host=None, backend=None)

    return Done(also=nowhere)


async def make(app: BlockStorage, op: Operation) -> Outcome:
    """The volume is on its host, whole."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None or volume.host is None:
        return Fail("The volume is gone.")
    source = await _source(app, volume)
    disk = document.volume_disk(
        volume,
        live=source is not None and document.is_live(source),
        holder=await document.holder_of(app, source),
    )
    seen = await document.bring(app, Kind.VOLUME, volume.host, disk)
    if isinstance(seen, Fail):
        place = volume.place or ""
        failed = {**op.facts.get("failed", {}), place: f"could not make the volume: {seen.why}"}
        told = "; ".join(f"{name}: {why}" for name, why in sorted(failed.items()))
        return Fail(f"{NONE_LEFT}: {told}", again_from="choose a back end", facts={"failed": failed})
    if not hasattr(seen, "content"):
        return seen

    async def made() -> None:
        now = app.clock.now()
        own = document.itself(volume.id)
        await document.want_as_settled(
            app, await settle(app, volume, AVAILABLE, origin=own, launched_at=now, updated_at=now)
        )
        await tell(app, op, "volume.created", {"host": volume.host})

    return Done(also=made)


async def _source(app: BlockStorage, volume: Volume) -> Volume | None:
    """The volume that it is a copy of, if it is."""
    if volume.origin is None or volume.origin.kind != "volume":
        return None
    return await volumes.find(app, volume.origin.id)


async def remove_from_host(app: BlockStorage, op: Operation) -> Outcome:
    """Nothing of the volume is left on the host it could not be made on."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None:
        return Done()
    return await document.gone(app, Kind.VOLUME, volume.id, volume.host) or Done()


async def ended(app: BlockStorage, op: Operation) -> None:
    """A volume that could not be made is in error; the backup it was to be made of is free again."""
    restored = op.args.get("restores")
    if restored and (backup := await backups.find(app, restored)) is not None:
        await backups.change(app, backup, status=backup_states.AVAILABLE, restores=None)
    volume = await volumes.find(app, subject_id(op))
    if volume is not None and volume.group_id is not None:
        app.db.on_commit(lambda: app.engine.wake_subject(f"volume_group:{volume.group_id}"))
    if volume is None or op.state is State.DONE or op.turn_back is not None:
        return
    await settle(app, volume, ERROR_RESTORING if restored else ERROR)
    nowhere = (op.failure or "").startswith(NONE_LEFT)
    await explain(
        app, op, "VOLUME", "schedule" if nowhere else "copy_from_image", "no_backend" if nowhere else "backend"
    )
    await tell(app, op, "volume.failed", {"why": op.failure or ""})


CREATE = Flow(
    "volume.create",
    (
        Step("choose a back end", choose, undo=give_up_place, shows="creating"),
        Step("make", make, undo=remove_from_host, shows="creating", deadline_s=DEADLINE_S),
    ),
    tries=TRIES,
    ended=ended,
)

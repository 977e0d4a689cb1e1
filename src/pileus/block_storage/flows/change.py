"""Changes of volumes that take their time: longer, made anew, made an image of.

    extend: grow there                      upload: copy there -> give to the image service -> forget the copy
    remake: make anew of an image, a snapshot or a backup, beside the bytes there are, which go when that is whole

What fails leaves the volume as it was, except where its status says otherwise.
"""

import msgspec

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.drivers.interface import DiskSeen, Export, Kind
from pileus.block_storage.flows import document
from pileus.block_storage.flows.document import subject_id
from pileus.block_storage.flows.ending import explain, settle, tell
from pileus.block_storage.models import backups as backup_states
from pileus.block_storage.models.volumes import (
    AVAILABLE,
    ERROR,
    ERROR_EXTENDING,
    ERROR_RESTORING,
    RESTORING_SNAPSHOT,
    Origin,
)
from pileus.block_storage.store.backups import backups
from pileus.block_storage.store.volumes import attachments_of, snapshots, volumes
from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait

DEADLINE_S = 7200.0
GONE = Fail("The volume is gone.")


async def grow(app: BlockStorage, op: Operation) -> Outcome:
    """The volume is as large as asked for."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None or volume.host is None:
        return GONE
    size = int(op.args["size"])
    larger = msgspec.structs.replace(volume, size=size)
    seen = await document.bring(app, Kind.VOLUME, volume.host, document.volume_disk(larger))
    if not isinstance(seen, DiskSeen):
        return seen

    async def grown() -> None:
        await settle(app, volume, size=size)
        await tell(app, op, "volume.extended", {"size": size})
        for each in (await attachments_of(app, [volume.id]))[volume.id]:
            if app.servers is not None and each.server_id is not None:
                await app.servers.extended(each.server_id, volume.id)

    return Done({"host": volume.host}, also=grown)


async def extend_ended(app: BlockStorage, op: Operation) -> None:
    """A volume that could not grow says so."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None or op.state is State.DONE or op.turn_back is not None:
        return
    await settle(app, volume, ERROR_EXTENDING)
    await explain(app, op, "VOLUME", "extend")


async def remake(app: BlockStorage, op: Operation) -> Outcome:
    """The volume holds what its new origin holds."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None or volume.host is None:
        return GONE
    origin = msgspec.convert(op.args["origin"], Origin)
    anew = msgspec.structs.replace(volume, origin=origin, content=int(op.args["content"]))
    seen = await document.bring(app, Kind.VOLUME, volume.host, document.volume_disk(anew))
    if not isinstance(seen, DiskSeen):
        return seen
    changes = dict(op.args.get("changes", {}))

    async def made() -> None:
        own = document.itself(volume.id)
        await document.want_as_settled(app, await settle(app, volume, origin=own, content=anew.content, **changes))
        await tell(app, op, op.args["event"])

    return Done({"host": volume.host}, also=made)


async def as_before(app: BlockStorage, op: Operation) -> Outcome:
    """The volume's host is told what the row says."""
    volume = await volumes.find(app, subject_id(op))
    if volume is not None:
        await document.want_as_settled(app, volume)
    return Done()


async def remake_ended(app: BlockStorage, op: Operation) -> None:
    """A volume that could not be made anew is in error; the backup or snapshot it was to be made of is free again."""
    restored = op.args.get("restores")
    if restored and (backup := await backups.find(app, restored)) is not None:
        await backups.change(app, backup, status=backup_states.AVAILABLE, restores=None)
    origin = msgspec.convert(op.args["origin"], Origin)
    source = await snapshots.find(app, origin.id) if origin.kind == "snapshot" else None
    if source is not None and source.status == RESTORING_SNAPSHOT:
        await snapshots.change(app, source, status=AVAILABLE)
    volume = await volumes.find(app, subject_id(op))
    if volume is None or op.state is State.DONE or op.turn_back is not None:
        return
    reverted = op.args["event"] == "volume.reverted"
    await settle(app, volume, ERROR_RESTORING if restored else AVAILABLE if reverted else ERROR)
    await explain(app, op, "VOLUME", "backup_restore" if restored else "reimage")


async def copy(app: BlockStorage, op: Operation) -> Outcome:
    """The volume's host has a copy in the image's format, and the facts say where."""
    volume = await volumes.find(app, subject_id(op))
    if volume is None or volume.host is None:
        return GONE
    export = Export(name=op.args["image_id"], format=op.args["format"])
    holder = await document.holder_of(app, volume)
    disk = document.volume_disk(volume, live=document.is_live(volume), export=export, holder=holder)
    seen = await document.bring(app, Kind.VOLUME, volume.host, disk)
    if not isinstance(seen, DiskSeen):
        return seen
    if seen.export is None or seen.export.name != export.name:
        return Wait(document.LOOK_AGAIN_S, f"host {volume.host} copies the volume")
    return Done({"host": volume.host, "backend": volume.backend, "file": seen.export.file})


async def upload(app: BlockStorage, op: Operation) -> Outcome:
    """The image holds the copy."""
    if app.images is None:
        return Fail("There is no image service.")
    host, file = op.facts["host"], op.facts["file"]
    try:
        if app.files is None:
            await app.images.take(op.args["image_id"], file)
        else:
            backend = op.facts.get("backend", "")
            async with app.files.at_hand(host, backend, subject_id(op), file) as path:
                await app.images.take(op.args["image_id"], str(path))
    except FileNotFoundError:
        return Fail(f"The copy on host {host} cannot be read from here.")
    return Done()


async def upload_ended(app: BlockStorage, op: Operation) -> None:
    """The volume is what it was; an image that could not be made does not exist."""
    volume = await volumes.find(app, subject_id(op))
    if volume is not None:
        await settle(app, volume)
    if op.state is State.DONE:
        await tell(app, op, "volume.uploaded", {"image": op.args["image_id"]})
        return
    if app.images is not None:
        await app.images.remove(op.args["image_id"])
    await explain(app, op, "VOLUME", "copy_to_image")


EXTEND = Flow(
    "volume.extend",
    (Step("grow", grow, as_before, shows="extending", deadline_s=DEADLINE_S),),
    ended=extend_ended,
)
REMAKE = Flow(
    "volume.remake",
    (Step("make anew", remake, as_before, shows="reverting", deadline_s=DEADLINE_S),),
    ended=remake_ended,
)
UPLOAD = Flow(
    "volume.upload",
    (
        Step("copy", copy, as_before, shows="uploading", deadline_s=DEADLINE_S),
        Step("upload", upload, shows="uploading", deadline_s=DEADLINE_S),
        Step("forget the copy", as_before, shows="uploading", final=True),
    ),
    ended=upload_ended,
)

"""Copies of what changed in a volume that a server has: QEMU notes what is written in the volume's file, by bitmaps.

    one transaction = the moment: begin a new bitmap | freeze what the old one says, here and in a file of its own | begin the copy
    -> (the pieces that changed are copied; what is overwritten meanwhile, before that) -> close both files

A bitmap of the volume's file is written to it when QEMU closes it. Of a QEMU that was killed the file says that its bitmaps are not
to be believed, and one that was new is not there: then all is copied.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pileus.compute.drivers.interface import DriverError, ImageFormat, Volume
from pileus.compute.drivers.qemu.blocks import Chain
from pileus.compute.drivers.qemu.monitor import Monitor
from pileus.compute.drivers.qemu.volume_copies import (
    NOTES,
    Bitmap,
    Moment,
    job_of,
    node_named,
    notes_of,
    open_target,
)
from pileus.kit.flow.failpoint import failpoint
from pileus.ports.attached_disks import Noting

GRANULARITY = 1 << 16
FROZEN = "being-copied"  # what the old bitmap said at the moment, in whole pieces


async def begin(volume: Volume, chain: Chain, target: Path, noting: Noting, monitor: Monitor, moment: Moment) -> bool:
    """QEMU copies, and notes from now on; whether it copies only what changed. Nothing else is copied in that slot now."""
    if volume.format is not ImageFormat.QCOW2:
        raise DriverError("What changes cannot be noted", f"volume {volume.id} is no qcow2 file")
    of = chain.bytes_(volume)
    node = await node_named(of, monitor)
    known = {each.name: each for each in node.dirty_bitmaps}
    old = noting.since if noting.since is not None and _believed(known.get(noting.since)) else None
    for name in known.keys() & {noting.name, FROZEN}:  # left by whoever died on this way
        await _remove(of, name, monitor)
    await open_target(target, node.image.virtual_size, chain.slot, monitor)
    if old is not None:
        await _open_notes(noting.found, chain.slot, monitor)
    failpoint("qemu.notes", "opened")
    async with moment():
        await monitor.execute("transaction", actions=_moment(of, chain.slot, noting, old))
    failpoint("qemu.notes", "begun")
    return old is not None


def _moment(of: str, slot: int, noting: Noting, old: str | None) -> list[Mapping[str, Any]]:
    """All that is of one moment."""
    copy = {"job-id": job_of(slot), "device": of, "target": job_of(slot), "auto-dismiss": False}
    note = _add(of, noting.name, GRANULARITY, persistent=True)
    if old is None:
        # What no cluster was ever taken for holds nothing, and takes no room in the copy either.
        return [note, {"type": "blockdev-backup", "data": {**copy, "sync": "top"}}]
    part = {"sync": "bitmap", "bitmap": FROZEN, "bitmap-mode": "never"}
    return [
        _add(of, FROZEN, noting.piece, disabled=True),
        _merge(of, FROZEN, old),
        _add(notes_of(slot), old, noting.piece, persistent=True),
        _merge(notes_of(slot), old, {"node": of, "name": old}),
        note,
        {"type": "blockdev-backup", "data": {**copy, **part}},
    ]


async def end(volume: Volume, chain: Chain, monitor: Monitor) -> None:
    """Nothing is left of a copy but what is noted for the next one."""
    if any(each.name == FROZEN for each in (await node_named(chain.bytes_(volume), monitor)).dirty_bitmaps):
        await _remove(chain.bytes_(volume), FROZEN, monitor)


async def keep_only(volume: Volume, chain: Chain, name: str, monitor: Monitor) -> None:
    """Nothing is noted under another name."""
    of = chain.bytes_(volume)
    for each in (await node_named(of, monitor)).dirty_bitmaps:
        if each.persistent and not each.busy and each.name != name:
            await _remove(of, each.name, monitor)


async def drop_broken(volume: Volume, chain: Chain, monitor: Monitor) -> None:
    """There are no bitmaps that a QEMU left which was killed: they tell nothing, and with them the disk does not grow."""
    of = chain.bytes_(volume)
    for each in (await node_named(of, monitor)).dirty_bitmaps:
        if each.inconsistent:
            await _remove(of, each.name, monitor)


def _believed(bitmap: Bitmap | None) -> bool:
    return bitmap is not None and bitmap.recording and bitmap.persistent and not bitmap.busy and not bitmap.inconsistent


def _add(node: str, name: str, granularity: int, **more: bool) -> Mapping[str, Any]:
    data = {"node": node, "name": name, "granularity": granularity, **more}
    return {"type": "block-dirty-bitmap-add", "data": data}


def _merge(node: str, target: str, *bitmaps: object) -> Mapping[str, Any]:
    return {"type": "block-dirty-bitmap-merge", "data": {"node": node, "target": target, "bitmaps": bitmaps}}


async def _remove(node: str, name: str, monitor: Monitor) -> None:
    await monitor.execute("block-dirty-bitmap-remove", node=node, name=name)


async def _open_notes(found: Path, slot: int, monitor: Monitor) -> None:
    file = os.open(found, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        await monitor.hand_set(NOTES + slot, file)
    finally:
        os.close(file)
    name = notes_of(slot)
    bytes_ = {"driver": "file", "node-name": f"{name}-file", "filename": f"/dev/fdset/{NOTES + slot}"}
    await monitor.execute("blockdev-add", **bytes_)
    own = {"driver": "qcow2", "node-name": name, "file": f"{name}-file", "backing": None}
    await monitor.execute("blockdev-add", **own)

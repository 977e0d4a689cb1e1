"""When backups are made of themselves, and which of them go again: what a volume type says, and pure rules."""

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec

from pileus.block_storage.models.backups import AVAILABLE, ERROR, Backup

EVERY, KEEP = "backup:every_hours", "backup:keep"
MARK = "pileus:schedule"  # of backups that were made of themselves: the name of the type that said so


class Schedule(msgspec.Struct, frozen=True):
    """A backup every so many hours, of which the newest `keep` stay."""

    every: dt.timedelta
    keep: int


def schedule_of(specs: Mapping[str, str]) -> Schedule | None:
    """What the extra specs of a type say; None when they say nothing, or nothing that can be done."""
    hours, keep = specs.get(EVERY, ""), specs.get(KEEP, "7")
    if not all(text.isascii() and text.isdigit() and int(text) > 0 for text in (hours, keep)):
        return None
    return Schedule(dt.timedelta(hours=int(hours)), int(keep))


def is_due(own: Sequence[Backup], schedule: Schedule, now: dt.datetime) -> bool:
    """Whether the next backup is to be made; `own` are those made of themselves, newest first."""
    return not own or now - own[0].created_at >= schedule.every


def is_next_full(own: Sequence[Backup], schedule: Schedule) -> bool:
    """Whether the next one has to hold everything: after as many as are kept, so that those before it can go one day."""
    chain = 0
    for backup in own:
        if backup.status == AVAILABLE:
            chain += 1
            if backup.parent_id is None:
                return chain >= schedule.keep
    return True


def surplus(own: Sequence[Backup], schedule: Schedule, parents: frozenset[str]) -> list[Backup]:
    """Those that are neither among the newest nor built upon: `parents` are the backups that others are built on."""
    whole = [backup.id for backup in own if backup.status == AVAILABLE]
    kept = frozenset(whole[: schedule.keep])
    newest = own[:1]
    return [
        backup
        for backup in own
        if backup.status in {AVAILABLE, ERROR} and backup.id not in kept | parents and backup not in newest
    ]

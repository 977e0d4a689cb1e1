"""Volumes: what block storage says servers have against what the servers have, both ways."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
import sqlalchemy as sa

from pileus.block_storage.drivers.interface import FOUND, Kind
from pileus.block_storage.manifest import port
from pileus.block_storage.tables import ATTACHMENTS
from pileus.compute.tables import SERVER_VOLUMES
from pileus.kit.db import command, query
from pileus.kit.hosts.control import Wanted
from pileus.main.doctor import Finding, Patient, servers_deleted, servers_known

AGAIN = "Run `pileus doctor --fix`."


class Held(msgspec.Struct, frozen=True):
    """Who has a volume, as one of the two says."""

    id: str
    volume_id: str
    server_id: str


ATTACHED = query(
    sa.select(ATTACHMENTS.c.id, ATTACHMENTS.c.volume_id, ATTACHMENTS.c.server_id)
    .where(ATTACHMENTS.c.server_id.is_not(None))
    .order_by(ATTACHMENTS.c.id),
    Held,
)
HAD = query(
    sa.select(
        SERVER_VOLUMES.c.attachment_id.label("id"), SERVER_VOLUMES.c.volume_id, SERVER_VOLUMES.c.server_id
    ).order_by(SERVER_VOLUMES.c.attachment_id),
    Held,
)
FORGET = command(sa.delete(SERVER_VOLUMES).where(SERVER_VOLUMES.c.attachment_id == sa.bindparam("attachment")))


async def attachments(patient: Patient) -> Sequence[Finding]:
    """What block storage keeps for servers they have, or had nothing to do with; what servers have is kept for them."""
    if patient.storage is None or patient.compute is None:
        return []
    # Servers before and after: what is attached or made between the readings is nobody's orphan, and releasing it would harm.
    busy = {id for id, server in (await servers_known(patient)).items() if server.busy}
    kept = {held.id: held for held in await patient.db.all(ATTACHED)}
    had = {held.id: held for held in await patient.db.all(HAD)}
    servers, deleted = await servers_known(patient), await servers_deleted(patient)
    busy |= {id for id, server in servers.items() if server.busy}
    release = port(patient.storage).release
    found = [
        _orphan(held, partial(release, held.id))
        # What is kept for others than our servers is their affair.
        for held in kept.values()
        if held.id not in had and held.server_id not in busy and held.server_id in {*servers, *deleted}
    ]
    found += [
        Finding(
            "volume.not_kept", held.volume_id, f"server {held.server_id} has it, but block storage does not know",
            "The attachment was deleted outside of the compute service: somebody else may be given the volume.",
            "Detach it from the server, or delete the server, before anybody else writes to the volume.",
        )
        for held in had.values()
        if held.server_id in servers and held.server_id not in busy and held.id not in kept
    ]  # fmt: skip
    found += [
        Finding(
            "volume.of_deleted_server", held.volume_id, f"is noted as a disk of server {held.server_id}, which is deleted",
            "The row outlived the deletion.", AGAIN, partial(patient.db.run, FORGET, attachment=held.id),
        )
        for held in had.values() if held.server_id not in servers
    ]  # fmt: skip
    return found


def _orphan(held: Held, release: Callable[[], Awaitable[None]]) -> Finding:
    return Finding(
        "volume.orphaned_attachment", held.volume_id,
        f"is attached to server {held.server_id}, which does not have it",
        "The attachment outlived the server, or was made outside of the compute service.", AGAIN, release,
    )  # fmt: skip


async def bytes_(patient: Patient) -> Sequence[Finding]:
    """What was made whole is where it was made."""
    found = []
    for kind, noun in ((Kind.VOLUME, "volume"), (Kind.SNAPSHOT, "snapshot")):
        made = {(wish.host, wish.id): wish for wish in await patient.hosts.wanted_list(kind=kind) if _was_made(wish)}
        for seen in await patient.hosts.seen_list(kind=kind):
            wish = made.get((seen.host, seen.id))
            if wish is None or seen.generation < wish.generation or seen.failure is not None:
                continue
            if seen.body.get("content") is None:
                found.append(
                    Finding(
                        f"{noun}.lost", seen.id,
                        f"is not in back end {wish.body.get('backend')} of host {seen.host} any more",
                        "Its file was removed, or its file system is not mounted.",
                        "Mount it, or put the file back: within a minute it is there again. Otherwise restore a backup.",
                    )
                )  # fmt: skip
    return found


def _was_made(wish: Wanted) -> bool:
    origin = wish.body.get("origin") or {}
    return not wish.gone and (origin.get("kind"), origin.get("id")) == (FOUND, wish.id)


CHECKS = (attachments, bytes_)

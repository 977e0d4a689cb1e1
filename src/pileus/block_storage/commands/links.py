"""Ways from servers' hosts to volumes that other hosts keep for themselves: made before a volume is connected, gone after it.

    door at the volume's host -> link at the server's host -> (connected) -> both gone

Only where operators said that hosts serve. Each attachment has a secret of its own; each host that may take the way proves it by a
key made of that and its name, so a host that has lost the volume is out as soon as the door is told who may come in now.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.agent.links import DOOR, FACT, LINK, Door, DoorSeen, Link, LinkSeen
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.flows.pools import rooms
from pileus.block_storage.models.volumes import ATTACHED, Attachment, Volume
from pileus.block_storage.store.volumes import attachments, volumes
from pileus.kit.hosts.registry import Host

FILES = frozenset({"file", "lvm"})  # what one host keeps for itself, as what can be served


class Able(msgspec.Struct, frozen=True):
    """What a host told of itself."""

    serves: bool = False
    links: bool = False


def _able(host: Host | None) -> Able:
    return msgspec.convert(host.facts.get(FACT, {}), Able) if host is not None else Able()


async def reaching(app: BlockStorage, volume_host: str | None, backend: str | None) -> frozenset[str]:
    """The other hosts that get at what that host keeps in that back end: none unless it serves."""
    hosts = {each.name: each for each in await app.hosts.list()}
    own = hosts.get(volume_host or "")
    if app.vault is None or own is None or not _able(own).serves:
        return frozenset()
    if not any(room.name == backend and room.driver in FILES for room in rooms(own)):
        return frozenset()
    now = app.clock.now()
    return frozenset(name for name, each in hosts.items() if name != volume_host and each.up(now) and _able(each).links)


async def prepare(app: BlockStorage, attachment: Attachment, volume: Volume, host: str) -> str | None:
    """The host gets at the volume, if it ever can; or what has to be waited for; raises AttachmentConflict. Repeatable."""
    if host not in await reaching(app, volume.host, volume.backend):
        return await _without(app, attachment, volume) if host == volume.host else None
    if attachment.sealed_key is None:
        assert app.vault is not None, "volumes are served only where secrets can be kept"
        attachment = await attachments.change(app, attachment, sealed_key=app.vault.seal(os.urandom(32)))
    before = {attachment.host} if attachment.status == ATTACHED else set()
    peers = tuple(sorted({host, *(each for each in before if each not in {None, volume.host})}))
    found = await _door(app, attachment, volume, peers)
    if isinstance(found, str):
        return found
    way = Link(id=attachment.id, address=found.address, port=found.port, readonly=bool(volume.readonly))
    await app.hosts.want(host, LINK, way.id, msgspec.to_builtins(way))
    report = await app.hosts.answer(host, LINK, way.id)
    if report is not None and report.failure is not None:
        raise errors.AttachmentConflict(volume=volume.id, why=f"is not reached by host {host}: {report.failure}")
    return None if report is not None else f"host {host} makes its way to the volume"


async def _door(app: BlockStorage, attachment: Attachment, volume: Volume, peers: tuple[str, ...]) -> DoorSeen | str:
    """Where the volume is served to these hosts, or what has to be waited for."""
    own = volume.host or ""
    door = Door(
        id=attachment.id, volume_id=volume.id, backend=volume.backend or "", peers=peers, readonly=bool(volume.readonly)
    )
    await app.hosts.want(own, DOOR, door.id, msgspec.to_builtins(door))
    report = await app.hosts.answer(own, DOOR, door.id)
    if report is None:
        return f"host {own} begins to serve the volume"
    if report.failure is not None:
        raise errors.AttachmentConflict(volume=volume.id, why=f"is not served by host {own}: {report.failure}")
    return msgspec.convert(report.body, DoorSeen)


async def _without(app: BlockStorage, attachment: Attachment, volume: Volume) -> str | None:
    """A server on the volume's own host uses its file: nobody else has that open any more."""
    await forget(app, attachment)
    gone = await app.hosts.settled_gone(volume.host or "", DOOR, attachment.id)
    return None if gone else f"host {volume.host} ends serving the volume"


async def link_path(app: BlockStorage, attachment: Attachment, host: str) -> str:
    """Where the host has the volume; raises AttachmentConflict if its way there is not made."""
    report = await app.hosts.answer(host, LINK, attachment.id)
    path = msgspec.convert(report.body, LinkSeen).path if report is not None and report.failure is None else None
    if path is None:
        why = f"is kept by another host, and host {host} has no way there yet."
        raise errors.AttachmentConflict(volume=attachment.volume_id, why=why)
    return path


async def settle(app: BlockStorage, attachment: Attachment, volume: Volume) -> None:
    """Only the host that has the attachment now has a way to the volume."""
    if attachment.sealed_key is None:
        return
    if attachment.host in {None, volume.host}:
        await forget(app, attachment)
        return
    for wish in await app.hosts.wanted_list(kind=LINK):
        if wish.id == attachment.id and wish.host != attachment.host and not wish.gone:
            await app.hosts.unwant(wish.host, LINK, wish.id)
    await _door(app, attachment, volume, (attachment.host or "",))


async def forget(app: BlockStorage, attachment: Attachment) -> None:
    """There is no way to the volume by that attachment."""
    if attachment.sealed_key is None:
        return
    for kind in (LINK, DOOR):
        for wish in await app.hosts.wanted_list(kind=kind):
            if wish.id == attachment.id and not wish.gone:
                await app.hosts.unwant(wish.host, kind, attachment.id)


async def keys_of(app: BlockStorage, attachment_id: str) -> Mapping[str, str]:
    """The key of each host that may take the way; raises AttachmentNotFound."""
    found = await attachments.find(app, attachment_id)
    volume = await volumes.find(app, found.volume_id) if found is not None else None
    secret = app.vault.open(found.sealed_key or "") if found is not None and app.vault is not None else None
    wish = await app.hosts.wanted(volume.host or "", DOOR, attachment_id) if volume is not None else None
    if secret is None or wish is None or wish.gone:
        raise errors.AttachmentNotFound(attachment=attachment_id)
    peers = msgspec.convert(wish.body, Door).peers
    return {peer: hmac.new(secret, peer.encode(), hashlib.sha256).hexdigest() for peer in peers}

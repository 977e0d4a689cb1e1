"""Volumes whose bytes are not where they were: their owner is told, and nothing else is ever taken for them.

Somebody removed the file, or its file system is not mounted: a host makes nothing in its place (`document.itself`), and says that there
is nothing. The volume is then in error until the bytes are back; one that a server has stays with it, which may have them open still.
"""

from pileus.block_storage.agent import disk_seen
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.drivers.interface import FOUND, Kind
from pileus.block_storage.flows.ending import explain_trouble
from pileus.block_storage.models.volumes import AVAILABLE, ERROR, IN_USE, Volume
from pileus.block_storage.store.messages import messages
from pileus.block_storage.store.volumes import volumes
from pileus.kit.flow.standing import Standing
from pileus.kit.hosts.control import SEEN

EVERY_S = 600.0
DETAIL = "lost"


class LostVolumes:
    """Looks at the volumes that hosts have reported lately."""

    def __init__(self, app: BlockStorage) -> None:
        self._app = app
        self._reported: set[str] = set()
        app.hosts.on_seen(self._note)

    def _note(self, kind: str, id: str) -> None:
        if kind == Kind.VOLUME:
            self._reported.add(id)

    async def __call__(self) -> str | None:
        """Whatever was lost or found is told, and the volume is in error or available accordingly."""
        reported, self._reported = self._reported, set()
        changed = []
        for id, volume in sorted((await volumes.many(self._app, sorted(reported))).items()):
            if volume.status in {AVAILABLE, IN_USE, ERROR} and (told := await self._judge(volume)):
                changed.append(f"{id} is {told}")
        return ", ".join(changed) or None

    async def _judge(self, volume: Volume) -> str | None:
        report = await self._app.hosts.answer(volume.host or "", Kind.VOLUME, volume.id)
        made = volume.origin is not None and volume.origin.kind == FOUND
        if not made or report is None or report.failure is not None:
            return None
        content = disk_seen(report.body).content
        async with self._app.db.transaction():
            now = await volumes.find(self._app, volume.id)
            if now is None or (now.status, now.content) != (volume.status, volume.content):
                return None
            if content is None:
                return await self._lost(now)
            return await self._found(now) if content == now.content and now.status == ERROR else None

    async def _lost(self, volume: Volume) -> str | None:
        if volume.status != AVAILABLE and await self._told(volume):
            return None
        if volume.status == AVAILABLE:
            await volumes.change(self._app, volume, status=ERROR)
        where = f"Back end {volume.backend} of host {volume.host} does not have its bytes any more"
        why = f"{where}: its file was removed, or its file system is not mounted. Nothing was made in its place."
        await explain_trouble(self._app, volume, why, None, DETAIL)
        await self._app.events.tell("volume.lost", volume.subject, volume.project_id, payload={"host": volume.host})
        return "lost"

    async def _found(self, volume: Volume) -> str | None:
        if not await self._told(volume):
            return None  # it is in error for another reason
        await volumes.change(self._app, volume, status=AVAILABLE)
        await self._app.events.tell("volume.found", volume.subject, volume.project_id, payload={"host": volume.host})
        return "found"

    async def _told(self, volume: Volume) -> bool:
        newest = await messages.list(self._app, {"resource_id": volume.id}, limit=1)
        return bool(newest) and newest[0].detail == DETAIL


def standing(app: BlockStorage) -> Standing:
    """The reconciler, ready to be run."""
    # Everywhere, since a host's report is noted by the controller that took it.
    return Standing("lost volumes", EVERY_S, LostVolumes(app), wake_topic=SEEN, everywhere=True)

"""Servers that have volumes: what they have is neither given back nor deleted behind their backs."""

from collections.abc import Collection

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.volumes import Attachment


async def check_given_back(app: BlockStorage, found: Collection[Attachment]) -> None:
    """Raise ServerHasVolume if a server has the volume by one of these.

    Whoever gave it back here would leave the server's disk connected to bytes that may be somebody else's soon.
    """
    for each in found:
        if app.servers is None or each.server_id is None or each.connector is None:
            continue
        if await app.servers.attachment_of(each.server_id, each.volume_id) == each.id:
            raise errors.ServerHasVolume(server=each.server_id)

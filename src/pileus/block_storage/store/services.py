"""Queries of what admins said of services."""

import sqlalchemy as sa

from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.services import Setting
from pileus.block_storage.tables import SERVICES
from pileus.kit.db import command, query, upsert

SETTINGS = query(sa.select(*SERVICES.c).order_by(SERVICES.c.host, SERVICES.c.program), Setting)
SETTING_KEEP = command(upsert(SERVICES, ["host", "program"], ["disabled", "reason", "frozen", "updated_at"]))


async def setting_list(app: BlockStorage) -> dict[tuple[str, str], Setting]:
    """All that was said, by host and program."""
    return {(one.host, one.program): one for one in await app.db.all(SETTINGS)}


async def setting_keep(app: BlockStorage, setting: Setting) -> None:
    """This is said of the service."""
    await app.db.run(SETTING_KEEP, **{name: getattr(setting, name) for name in setting.__struct_fields__})

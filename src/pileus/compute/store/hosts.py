"""Queries of what admins said of hosts as places for servers."""

import datetime as dt

import msgspec
import sqlalchemy as sa

from pileus.compute.app import Compute
from pileus.compute.tables import HOST_SETTINGS
from pileus.kit.db import command, query, upsert


class HostSetting(msgspec.Struct, frozen=True, kw_only=True):
    """What an admin said of a host."""

    host: str
    disabled: bool = False
    reason: str | None = None
    forced_down: bool = False
    updated_at: dt.datetime


SETTING_LIST = query(sa.select(*HOST_SETTINGS.c), HostSetting)
SETTING_PUT = command(upsert(HOST_SETTINGS, ["host"], ["disabled", "reason", "forced_down", "updated_at"]))
SETTING_FORGET = command(sa.delete(HOST_SETTINGS).where(HOST_SETTINGS.c.host == sa.bindparam("host")))


async def setting_list(app: Compute) -> dict[str, HostSetting]:
    """What was said, by host; of most hosts nothing was."""
    return {setting.host: setting for setting in await app.db.all(SETTING_LIST)}


async def setting_put(app: Compute, setting: HostSetting) -> None:
    """This is said of the host now."""
    await app.db.run(SETTING_PUT, **{name: getattr(setting, name) for name in setting.__struct_fields__})


async def setting_forget(app: Compute, host: str) -> None:
    """Nothing is said of the host."""
    await app.db.run(SETTING_FORGET, host=host)

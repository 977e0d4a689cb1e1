"""Registered limits, limits, and the settings of domains in the database."""

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.models.limits import Limit, RegisteredLimit
from pileus.identity.store.kept import Kept
from pileus.identity.tables import domain_settings, limits, registered_limits
from pileus.kit.db import command, query, upsert

REGISTERED = Kept(registered_limits, RegisteredLimit, "service_id", "region_id", "resource_name")
LIMITS = Kept(
    limits, Limit, "service_id", "region_id", "resource_name", "project_id", "domain_id", "registered_limit_id"
)


class DomainSetting(msgspec.Struct, frozen=True):
    """One option of a domain; a sensitive value is sealed."""

    domain_id: str
    section: str
    option: str
    value: object


_DOMAIN = domain_settings.c.domain_id == bindparam("domain_id")
SETTINGS_OF = query(
    sa.select(domain_settings).where(_DOMAIN).order_by(domain_settings.c.section, domain_settings.c.option),
    DomainSetting,
)
SETTINGS_ALL = query(
    sa.select(domain_settings).order_by(
        domain_settings.c.domain_id, domain_settings.c.section, domain_settings.c.option
    ),
    DomainSetting,
)
SETTING_KEEP = command(upsert(domain_settings, key=["domain_id", "section", "option"], update=["value"]))
SETTING_DELETE = command(
    sa.delete(domain_settings).where(
        _DOMAIN, domain_settings.c.section == bindparam("section"), domain_settings.c.option == bindparam("option")
    )
)


async def settings_of(app: Identity, domain_id: str) -> list[DomainSetting]:
    """What is set for a domain."""
    return await app.db.all(SETTINGS_OF, domain_id=domain_id)


async def settings_all(app: Identity) -> list[DomainSetting]:
    """What is set for all domains."""
    return await app.db.all(SETTINGS_ALL)


async def setting_keep(app: Identity, setting: DomainSetting) -> None:
    """The option has this value."""
    await app.db.run(SETTING_KEEP, **msgspec.structs.asdict(setting))


async def setting_delete(app: Identity, setting: DomainSetting) -> None:
    """The option is not set."""
    await app.db.run(SETTING_DELETE, domain_id=setting.domain_id, section=setting.section, option=setting.option)

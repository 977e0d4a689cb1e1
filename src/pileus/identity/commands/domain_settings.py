"""The settings of domains: replacing, merging and removing them. What is sensitive is sealed, and never told."""

from collections.abc import Mapping

from pileus.identity.app import Identity
from pileus.identity.errors import BadDomainSetting, Missing
from pileus.identity.models import Project
from pileus.identity.models.domain_settings import SENSITIVE, Compliance, Settings, why_wrong
from pileus.identity.store import changing
from pileus.identity.store.limits import DomainSetting, setting_delete, setting_keep, settings_of

Given = Mapping[str, Mapping[str, object]]


async def settings_whole(app: Identity, domain_id: str) -> Settings:
    """Everything that is set for a domain, what is sensitive included."""
    found: Settings = {}
    for one in await settings_of(app, domain_id):
        value = one.value
        if (one.section, one.option) in SENSITIVE and isinstance(value, str):
            opened = app.vault.open(value)
            value = opened.decode() if opened is not None else None
        found.setdefault(one.section, {})[one.option] = value
    return found


async def settings_shown(
    app: Identity, domain: Project, section: str | None = None, option: str | None = None
) -> Settings:
    """What is set for a domain and may be told, of one group or one option where these are named; raises Missing."""
    found: Settings = {}
    for one in await settings_of(app, domain.id):
        if (one.section, one.option) in SENSITIVE or section not in {None, one.section}:
            continue
        if option in {None, one.option}:
            found.setdefault(one.section, {})[one.option] = one.value
    if not found:
        raise _missing(domain, section, option)
    return found


def _missing(domain: Project, section: str | None, option: str | None) -> Missing:
    words = "".join((f"group {section} in " if section else "", f"option {option} in " if option else ""))
    return Missing(kind="domain configuration", id=f"{words}domain {domain.id}")


async def _keep(app: Identity, domain: Project, settings: Given) -> None:
    for section, options in settings.items():
        for option, value in options.items():
            sensitive = (section, option) in SENSITIVE
            kept = app.vault.seal(str(value).encode()) if sensitive else value
            await setting_keep(app, DomainSetting(domain.id, section, option, kept))


async def replace_settings(app: Identity, domain: Project, settings: Given) -> bool:
    """These and no other settings are the domain's; tells whether there were any before."""
    wrong = why_wrong(settings)
    if wrong is not None:
        raise BadDomainSetting(why=wrong)
    async with changing(app):
        before = await settings_of(app, domain.id)
        for one in before:
            await setting_delete(app, one)
        await _keep(app, domain, settings)
    return bool(before)


async def merge_settings(
    app: Identity, domain: Project, settings: Given, section: str | None = None, option: str | None = None
) -> Settings:
    """The domain has these settings beside its others; where a group or an option is named it must be there already."""
    wrong = why_wrong(settings)
    if wrong is None and section is not None and set(settings) != {section}:
        wrong = f"the config must hold group {section}, which the path names, and no other"
    if wrong is None and option is not None and set(settings[section or ""]) != {option}:
        wrong = f"the config must hold option {option}, which the path names, and no other"
    if wrong is not None:
        raise BadDomainSetting(why=wrong)
    async with changing(app):
        known = await settings_of(app, domain.id)
        if section is not None and not any(one.section == section and option in {None, one.option} for one in known):
            raise _missing(domain, section, option)
        await _keep(app, domain, settings)
    return await settings_shown(app, domain)


async def remove_settings(
    app: Identity, domain: Project, section: str | None = None, option: str | None = None
) -> None:
    """The domain has none of these settings; raises Missing where it had none."""
    async with changing(app):
        gone = [
            one
            for one in await settings_of(app, domain.id)
            if section in {None, one.section} and option in {None, one.option}
        ]
        if not gone:
            raise _missing(domain, section, option)
        for one in gone:
            await setting_delete(app, one)


async def list_limit_of(app: Identity, domain_id: object) -> int | None:
    """How many users or groups of a domain a list shows at once; None where nothing is said."""
    if not isinstance(domain_id, str):
        return None
    for one in await settings_of(app, domain_id):
        if (one.section, one.option) == ("identity", "list_limit") and isinstance(one.value, int):
            return one.value
    return None


def compliance_of(app: Identity, domain: Project) -> Compliance:
    """What passwords must be, as everybody may know; it is one for all, and asked of the default domain."""
    if domain.id != app.config.default_domain:
        raise BadDomainSetting(
            why="reading security compliance values for any domain other than the default domain is not allowed"
        )
    return Compliance(
        password_regex=app.config.password_regex or None,
        password_regex_description=app.config.password_regex_description or None,
    )

"""The settings of domains: whole, by group, and by option; and what every option is when it is not set."""

from typing import Any

import msgspec

from pileus.identity.api import find
from pileus.identity.api.root import ADMIN_OR_SYSTEM_READER, api
from pileus.identity.app import Identity
from pileus.identity.commands.domain_settings import (
    compliance_of,
    merge_settings,
    remove_settings,
    replace_settings,
    settings_shown,
)
from pileus.identity.errors import BadDomainSetting, Missing
from pileus.identity.models import Project
from pileus.identity.models.domain_settings import COMPLIANCE, SECTIONS, Settings, defaults
from pileus.kit.auth import Caller
from pileus.kit.http import Call
from pileus.kit.policy import ADMIN, ANY, Rule

WHOLE = "/domains/{domain_id}/config"
GROUP = f"{WHOLE}/{{group}}"
OPTION = f"{GROUP}/{{option}}"
READ = Rule("identity:get_domain_config", ADMIN_OR_SYSTEM_READER)
CHANGE = Rule("identity:update_domain_config", ADMIN)
REMOVE = Rule("identity:delete_domain_config", ADMIN)
DEFAULTS = Rule("identity:get_domain_config_default", ADMIN_OR_SYSTEM_READER)
COMPLIANT = Rule("identity:get_security_compliance_domain_config", ANY)

Given = dict[str, dict[str, Any]]


class Part(msgspec.Struct, frozen=True):
    """A domain, and the group or option of its settings that a path names."""

    domain: Project
    section: str | None = None
    option: str | None = None


async def part_find(
    app: Identity, caller: Caller, domain_id: str, group: str | None = None, option: str | None = None
) -> Part | Missing:
    """What a path of settings names."""
    domain = await find.domain(app, caller, domain_id)
    return domain if isinstance(domain, Missing) else Part(domain, group, option)


def _known(group: str, option: str | None = None) -> dict[str, Any]:
    known = defaults().get(group)
    if known is None:
        raise BadDomainSetting(why=f"group {group} is not supported for domain specific configurations")
    if option is not None and option not in known:
        raise BadDomainSetting(why=f"option {option} in group {group} is not supported")
    return known


# -- what there is without settings -------------------------------------------------------------------------------------


@api.get("/domains/config/default", DEFAULTS, key="config")
async def default(call: Call[Identity]) -> Settings:
    """Show every option as it is when it is not set."""
    return defaults()


@api.get("/domains/config/{group}/default", DEFAULTS, key="config")
async def default_group(call: Call[Identity], group: str) -> Settings:
    """Show the options of a group as they are when they are not set."""
    return {group: _known(group)}


@api.get("/domains/config/{group}/{option}/default", DEFAULTS, key="config")
async def default_option(call: Call[Identity], group: str, option: str) -> dict[str, Any]:
    """Show an option as it is when it is not set."""
    return {option: _known(group, option)[option]}


# -- a domain's own -----------------------------------------------------------------------------------------------------


@api.get(WHOLE, READ, key="config", find=part_find)
async def show(call: Call[Identity], part: Part) -> Settings:
    """Show the settings of a domain."""
    return await settings_shown(call.app, part.domain)


@api.get(f"{WHOLE}/{COMPLIANCE}", COMPLIANT, key="config", find=part_find)
async def compliance(call: Call[Identity], part: Part) -> Settings:
    """Show what passwords must be."""
    return {COMPLIANCE: msgspec.to_builtins(compliance_of(call.app, part.domain))}


@api.get(f"{WHOLE}/{COMPLIANCE}/{{option}}", COMPLIANT, key="config", find=part_find)
async def compliance_option(call: Call[Identity], part: Part) -> dict[str, Any]:
    """Show one of the things passwords must be."""
    known = msgspec.to_builtins(compliance_of(call.app, part.domain))
    if part.option not in known:
        raise BadDomainSetting(why=f"option {part.option} in group {COMPLIANCE} is not supported")
    return {str(part.option): known[part.option]}


@api.get(GROUP, READ, key="config", find=part_find)
async def show_group(call: Call[Identity], part: Part) -> Settings:
    """Show a group of the settings of a domain."""
    return await settings_shown(call.app, part.domain, _group(part))


@api.get(OPTION, READ, key="config", find=part_find)
async def show_option(call: Call[Identity], part: Part) -> dict[str, Any]:
    """Show an option of a domain."""
    return (await settings_shown(call.app, part.domain, _group(part), part.option))[_group(part)]


@api.put(WHOLE, Rule("identity:create_domain_config", ADMIN), key="config", find=part_find, on="c")
async def create(call: Call[Identity], part: Part, body: Given) -> Settings:
    """Replace the settings of a domain."""
    call.reply_status = 200 if await replace_settings(call.app, part.domain, body) else 201
    return await settings_shown(call.app, part.domain)


@api.patch(WHOLE, CHANGE, key="config", find=part_find, on="c")
async def update(call: Call[Identity], part: Part, body: Given) -> Settings:
    """Merge settings into those of a domain."""
    return await merge_settings(call.app, part.domain, body)


@api.patch(GROUP, CHANGE, key="config", find=part_find, on="c")
async def update_group(call: Call[Identity], part: Part, body: Given) -> Settings:
    """Merge options into a group of a domain's settings."""
    return await merge_settings(call.app, part.domain, body, _group(part))


@api.patch(OPTION, CHANGE, key="config", find=part_find, on="c")
async def update_option(call: Call[Identity], part: Part, body: dict[str, Any]) -> Settings:
    """Change an option of a domain."""
    group = _group(part)
    return await merge_settings(call.app, part.domain, {group: body}, group, part.option)


@api.delete(WHOLE, REMOVE, find=part_find)
async def delete(call: Call[Identity], part: Part) -> None:
    """Remove the settings of a domain."""
    await remove_settings(call.app, part.domain)


@api.delete(GROUP, REMOVE, find=part_find)
async def delete_group(call: Call[Identity], part: Part) -> None:
    """Remove a group of the settings of a domain."""
    await remove_settings(call.app, part.domain, _group(part))


@api.delete(OPTION, REMOVE, find=part_find)
async def delete_option(call: Call[Identity], part: Part) -> None:
    """Remove an option of a domain."""
    await remove_settings(call.app, part.domain, _group(part), part.option)


def _group(part: Part) -> str:
    """The group a path names, which must be one that can be set."""
    if part.section is None or part.section not in SECTIONS:
        raise BadDomainSetting(why=f"group {part.section} is not supported for domain specific configurations")
    return part.section

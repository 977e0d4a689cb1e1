"""What is said of flavors besides their size: extra specs, and who may use the private ones."""

from typing import Annotated

import msgspec

from pileus.compute import errors
from pileus.compute.api.flavors import any_flavor, flavor_of
from pileus.compute.api.service import admin, api, reader
from pileus.compute.app import Compute
from pileus.compute.commands import flavors as commands
from pileus.compute.models.extra_specs import wrong_spec
from pileus.compute.models.flavors import Flavor
from pileus.compute.store.flavors import access_list
from pileus.kit.http import Call, Reply, Wire

SPECS = "/flavors/{flavor_id}/os-extra_specs"
SpecKey = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-_:. ]{1,255}$(?!\n)")]
SpecValue = Annotated[str, msgspec.Meta(max_length=255)] | int | float
Specs = dict[SpecKey, SpecValue]
INDEX, SHOW = reader("os-flavor-extra-specs:index"), reader("os-flavor-extra-specs:show")


class Access(Wire):
    """A project that may use a private flavor."""

    flavor_id: str
    tenant_id: str


class ProjectName(Wire):
    """The project an access is about."""

    tenant: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


def _check(call: Call[Compute], specs: dict[str, str]) -> None:
    """Raise BadRequest for what cannot be meant; earlier clients could write anything."""
    if call.version < (2, 86):
        return
    for key, value in specs.items():
        wrong = wrong_spec(key, value)
        if wrong is not None:
            raise errors.BadRequest(why=wrong)


@api.get(SPECS, INDEX, find=flavor_of, late=True)
async def specs_index(call: Call[Compute], flavor: Flavor) -> dict[str, dict[str, str]]:
    """List a flavor's extra specs."""
    call.require(INDEX.name)  # a flavor is no project's, so the caller's own is asked for
    return {"extra_specs": flavor.extra_specs}


@api.post(SPECS, admin("os-flavor-extra-specs:create"), key="extra_specs", find=any_flavor, status=200)
async def specs_create(call: Call[Compute], flavor: Flavor, body: Specs) -> dict[str, str]:
    """Add extra specs to a flavor."""
    plain = {key: str(value) for key, value in body.items()}
    _check(call, plain)
    await commands.set_extra_specs(call.app, flavor, plain)
    return plain


@api.get(SPECS + "/{key}", SHOW, find=flavor_of, late=True)
async def specs_show(call: Call[Compute], flavor: Flavor, key: str) -> dict[str, str]:
    """Show one extra spec of a flavor."""
    call.require(SHOW.name)
    if key not in flavor.extra_specs:
        raise errors.ExtraSpecNotFound(flavor=flavor.id, key=key)
    return {key: flavor.extra_specs[key]}


@api.put(SPECS + "/{key}", admin("os-flavor-extra-specs:update"), find=any_flavor)
async def specs_update(call: Call[Compute], flavor: Flavor, key: str, body: Specs) -> dict[str, str]:
    """Set one extra spec of a flavor."""
    if list(body) != [key]:
        raise errors.BadRequest(why=f"Request body and URI mismatch: the body must hold '{key}' and nothing else.")
    plain = {key: str(body[key])}
    _check(call, plain)
    await commands.set_extra_specs(call.app, flavor, plain)
    return plain


@api.delete(SPECS + "/{key}", admin("os-flavor-extra-specs:delete"), find=any_flavor, status=200)
async def specs_delete(call: Call[Compute], flavor: Flavor, key: str) -> None:
    """Remove one extra spec of a flavor."""
    await commands.remove_extra_spec(call.app, flavor, key)


async def _access(call: Call[Compute], flavor: Flavor) -> list[Access]:
    return [Access(flavor_id=flavor.id, tenant_id=project) for project in await access_list(call.app, flavor.id)]


@api.get("/flavors/{flavor_id}/os-flavor-access", admin("os-flavor-access"), key="flavor_access", find=any_flavor)
async def access_index(call: Call[Compute], flavor: Flavor) -> list[Access]:
    """List the projects that may use a private flavor."""
    if flavor.is_public:
        raise errors.FlavorAccessOfPublic
    return await _access(call, flavor)


@api.action(
    "/flavors/{flavor_id}/action",
    "addTenantAccess",
    admin("os-flavor-access:add_tenant_access"),
    find=any_flavor,
    status=200,
)
async def access_add(call: Call[Compute], flavor: Flavor, body: ProjectName) -> Reply:
    """Let a project use a private flavor."""
    if flavor.is_public and call.version >= (2, 7):
        raise errors.FlavorIsPublic(flavor=flavor.id)
    if await call.app.identity.project(body.tenant) is None:
        raise errors.BadRequest(why=f"Project ID {body.tenant} is not a valid project.")
    await commands.grant_flavor(call.app, flavor, body.tenant)
    return await _access_reply(call, flavor)


@api.action(
    "/flavors/{flavor_id}/action",
    "removeTenantAccess",
    admin("os-flavor-access:remove_tenant_access"),
    find=any_flavor,
    status=200,
)
async def access_remove(call: Call[Compute], flavor: Flavor, body: ProjectName) -> Reply:
    """Let a project use a private flavor no more."""
    await commands.revoke_flavor(call.app, flavor, body.tenant)
    return await _access_reply(call, flavor)


async def _access_reply(call: Call[Compute], flavor: Flavor) -> Reply:
    body = b'{"flavor_access":%s}' % msgspec.json.encode(await _access(call, flavor))
    return Reply(200, body, {"Content-Type": "application/json"})

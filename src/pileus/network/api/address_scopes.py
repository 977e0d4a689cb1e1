"""Address scopes."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F, Wire
from pileus.network.api.policy import project_of, require, require_named, rule, sees_all, shown
from pileus.network.api.service import api
from pileus.network.api.wires import Filters, Name, Number, Owned, where
from pileus.network.app import Network as App
from pileus.network.commands import scopes as commands
from pileus.network.errors import AddressScopeNotFound
from pileus.network.models.pools import AddressScope
from pileus.network.models.requests import NewScope
from pileus.network.store import pools as rows
from pileus.network.store.sharing import grants


class ScopeWanted(Owned, kw_only=True):
    """An address scope to make or to change."""

    name: Name = ""
    ip_version: Annotated[Literal[4, 6], F(on="c")]
    shared: bool = False


class ScopeSeen(Wire):
    """An address scope as a caller sees it."""

    id: str
    name: str
    project_id: str
    tenant_id: str
    ip_version: int
    shared: bool


class ScopeFilters(Filters):
    ip_version: list[Number] = []
    shared: list[bool] = []


def view(scope: AddressScope) -> ScopeSeen:
    """An address scope as the API shows it."""
    return ScopeSeen(
        id=scope.id,
        name=scope.name,
        project_id=scope.project_id,
        tenant_id=scope.project_id,
        ip_version=scope.ip_version,
        shared=scope.shared,
    )


async def scope_for(app: App, caller: Caller, address_scope_id: str) -> AddressScope:
    """The scope as the caller sees it, if he does; raises AddressScopeNotFound."""
    found = await rows.scope_get(app.db, address_scope_id)
    for seen in await _with_grants(app, caller, [found]):
        return seen
    raise AddressScopeNotFound(id=address_scope_id)


async def _with_grants(app: App, caller: Caller, found: Sequence[AddressScope]) -> list[AddressScope]:
    theirs = [scope.id for scope in found if scope.project_id != caller.project_id]
    granted = await grants(app.db, theirs, caller.project_id or "")
    all_seen = caller.admin or "service" in caller.roles
    return [
        msgspec.structs.replace(scope, shared=scope.shared or scope.id in granted)
        for scope in found
        if all_seen or scope.project_id == caller.project_id or scope.id in granted
    ]


@api.post("/address-scopes", rule("create_address_scope"), key="address_scope", late=True)
async def create(call: Call[App], body: ScopeWanted) -> ScopeSeen:
    """Create an address scope."""
    project_id = project_of(call, body)
    require(call, "create", "address_scope", body, {"project_id": project_id, "tenant_id": project_id})
    new = NewScope(project_id=project_id, name=body.name, ip_version=body.ip_version, shared=body.shared)
    async with call.app.db.transaction():
        return view(await commands.create_scope(call.app, new))


@api.get("/address-scopes", rule("get_address_scope"), key="address_scopes", late=True)
async def index(call: Call[App], query: ScopeFilters, page: Page) -> list[ScopeSeen]:
    """List address scopes: the caller's own and those shared with him."""
    wanted = where(query)
    if not sees_all(call):
        wanted["visible"] = call.caller.project_id or ""
    found = await call.app.db.page(
        rows.SCOPES, where=wanted, sort=page.sort, marker=page.marker, limit=page.limit, reverse=page.reverse
    )
    return [view(scope) for scope in shown(call, "address_scope", await _with_grants(call.app, call.caller, found))]


@api.get("/address-scopes/{address_scope_id}", rule("get_address_scope"), key="address_scope", find=scope_for)
async def show(call: Call[App], scope: AddressScope) -> ScopeSeen:
    """Show an address scope."""
    return view(scope)


@api.put("/address-scopes/{address_scope_id}", rule("update_address_scope"), key="address_scope", find=scope_for)
async def update(call: Call[App], scope: AddressScope, body: ScopeWanted) -> ScopeSeen:
    """Change an address scope."""
    require_named(call, "update", "address_scope", body, scope.policy_target())
    return view(await commands.update_scope(call.app, scope, body.given()))


@api.delete("/address-scopes/{address_scope_id}", rule("delete_address_scope"), find=scope_for)
async def delete(call: Call[App], scope: AddressScope) -> None:
    """Delete an address scope."""
    await commands.delete_scope(call.app, scope)

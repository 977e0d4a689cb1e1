"""Address scopes: what one can ask for."""

from collections.abc import Mapping

from pileus.network.app import Network as App
from pileus.network.commands.sharing import forget_policies, share
from pileus.network.commands.standard import change, standard, tell
from pileus.network.errors import AddressScopeInUse, AddressScopeUpdateError
from pileus.network.models.pools import AddressScope
from pileus.network.models.requests import NewScope
from pileus.network.store import pools as rows


async def create_scope(app: App, wanted: NewScope) -> AddressScope:
    """The address scope is there."""
    found = AddressScope(**standard(app, wanted), ip_version=wanted.ip_version, shared=wanted.shared)
    await rows.scope_insert(app.db, found)
    if found.shared:
        await share(app, "address_scope", found)
    await tell(app, "address_scope.created", found)
    return found


async def update_scope(app: App, scope: AddressScope, values: Mapping[str, object]) -> AddressScope:
    """The address scope is as asked for; one that all share cannot be taken from them."""
    async with app.db.transaction():
        scope = await rows.scope_get(app.db, scope.id)
        if scope.shared and values.get("shared") is False:
            raise AddressScopeUpdateError(id=scope.id, why="Shared address scope can't be unshared")
        if values.get("shared"):
            await share(app, "address_scope", scope)
        await change(app, rows.SCOPE_CHANGE, scope, values)
        await tell(app, "address_scope.updated", scope)
        return await rows.scope_get(app.db, scope.id)


async def delete_scope(app: App, scope: AddressScope) -> None:
    """The address scope is gone; raises AddressScopeInUse while there are pools in it."""
    async with app.db.transaction():
        if await app.db.all(rows.IN_SCOPE, id=scope.id):
            raise AddressScopeInUse(id=scope.id)
        await forget_policies(app, scope)
        await app.db.run(rows.SCOPE_DELETE, of_id=scope.id)
        await tell(app, "address_scope.deleted", scope)

"""Subnet pools."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F, Wire
from pileus.network.api.networks import network_for
from pileus.network.api.policy import project_of, require, require_named, rule, sees_all, shown
from pileus.network.api.service import api
from pileus.network.api.wires import Filters, Name, Number, Owned, Seen, asked, standard, where
from pileus.network.app import Network as App
from pileus.network.commands import pools as commands
from pileus.network.errors import SubnetPoolNotFound
from pileus.network.models.pools import SubnetPool
from pileus.network.models.requests import NewPool
from pileus.network.store import pools as rows
from pileus.network.store.sharing import grants

Length = Annotated[int, Meta(ge=0, le=128)]
Units = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class PoolWanted(Owned, kw_only=True):
    """A subnet pool to make or to change."""

    name: Name = ""
    description: Name = ""
    prefixes: list[str]
    default_prefixlen: Length | UnsetType = UNSET
    min_prefixlen: Length | UnsetType = UNSET
    max_prefixlen: Length | UnsetType = UNSET
    default_quota: Units | None = None
    address_scope_id: str | None = None
    shared: Annotated[bool, F(on="c")] = False
    is_default: bool = False


class PoolPost(Wire):
    subnetpool: PoolWanted | UnsetType = UNSET
    subnetpools: list[PoolWanted] | UnsetType = UNSET


class PoolSeen(Seen):
    """A subnet pool as a caller sees it."""

    ip_version: int
    prefixes: list[str]
    # Lengths are texts in answers, as clients know them; in requests they may be numbers.
    default_prefixlen: str
    min_prefixlen: str
    max_prefixlen: str
    default_quota: int | None
    address_scope_id: str | None
    shared: bool
    is_default: bool


class PoolsMade(Wire):
    subnetpool: PoolSeen | UnsetType = UNSET
    subnetpools: list[PoolSeen] | UnsetType = UNSET


class PoolFilters(Filters):
    ip_version: list[Number] = []
    default_prefixlen: list[Number] = []
    min_prefixlen: list[Number] = []
    max_prefixlen: list[Number] = []
    default_quota: list[Number] = []
    address_scope_id: list[str] = []
    shared: list[bool] = []
    is_default: list[bool] = []


class Prefixes(Wire):
    """Prefixes to add or to remove."""

    prefixes: list[str]


class Onboarding(Wire):
    """A network whose subnets are to be of the pool."""

    network_id: str
    ip_version: Literal[4, 6] | UnsetType = UNSET


def view(pool: SubnetPool) -> PoolSeen:
    """A subnet pool as the API shows it."""
    return PoolSeen(
        **standard(pool),
        ip_version=pool.ip_version,
        prefixes=list(pool.prefixes),
        default_prefixlen=str(pool.default_prefixlen),
        min_prefixlen=str(pool.min_prefixlen),
        max_prefixlen=str(pool.max_prefixlen),
        default_quota=pool.default_quota,
        address_scope_id=pool.address_scope_id,
        shared=pool.shared,
        is_default=pool.is_default,
    )


async def pool_for(app: App, caller: Caller, subnetpool_id: str) -> SubnetPool:
    """The pool as the caller sees it, if he does; raises SubnetPoolNotFound."""
    found = await rows.pool_get(app.db, subnetpool_id)
    for seen in await _with_grants(app, caller, [found]):
        return seen
    raise SubnetPoolNotFound(id=subnetpool_id)


async def _with_grants(app: App, caller: Caller, found: Sequence[SubnetPool]) -> list[SubnetPool]:
    theirs = [pool.id for pool in found if pool.project_id != caller.project_id]
    granted = await grants(app.db, theirs, caller.project_id or "")
    all_seen = caller.admin or "service" in caller.roles
    return [
        msgspec.structs.replace(pool, shared=pool.shared or pool.id in granted)
        for pool in found
        if all_seen or pool.project_id == caller.project_id or pool.id in granted
    ]


def _values(body: PoolWanted) -> dict[str, Any]:
    found = {name: value for name, value in body.given().items() if name in NewPool.__struct_fields__}
    return {**found, "prefixes": tuple(found["prefixes"])} if "prefixes" in found else found


@api.post("/subnetpools", rule("create_subnetpool"), late=True)
async def create(call: Call[App], body: PoolPost) -> PoolsMade:
    """Create one subnet pool or many."""
    made = []
    async with call.app.db.transaction():
        for each in asked("subnetpool", body.subnetpool, body.subnetpools):
            project_id = project_of(call, each)
            require(call, "create", "subnetpool", each, {"project_id": project_id, "tenant_id": project_id})
            new = NewPool(**{**_values(each), "project_id": project_id})
            made.append(view(await commands.create_pool(call.app, new)))
    return PoolsMade(subnetpool=made[0]) if body.subnetpools is UNSET else PoolsMade(subnetpools=made)


@api.get("/subnetpools", rule("get_subnetpool"), key="subnetpools", late=True)
async def index(call: Call[App], query: PoolFilters, page: Page) -> list[PoolSeen]:
    """List subnet pools: the caller's own and those shared with him."""
    wanted = where(query)
    if not sees_all(call):
        wanted["visible"] = call.caller.project_id or ""
    found = await call.app.db.page(
        rows.POOLS, where=wanted, sort=page.sort, marker=page.marker, limit=page.limit, reverse=page.reverse
    )
    return [view(pool) for pool in shown(call, "subnetpool", await _with_grants(call.app, call.caller, found))]


@api.get("/subnetpools/{subnetpool_id}", rule("get_subnetpool"), key="subnetpool", find=pool_for)
async def show(call: Call[App], pool: SubnetPool) -> PoolSeen:
    """Show a subnet pool."""
    return view(pool)


@api.put("/subnetpools/{subnetpool_id}", rule("update_subnetpool"), key="subnetpool", find=pool_for)
async def update(call: Call[App], pool: SubnetPool, body: PoolWanted) -> PoolSeen:
    """Change a subnet pool."""
    require_named(call, "update", "subnetpool", body, pool.policy_target())
    return view(await commands.update_pool(call.app, pool, _values(body)))


@api.put("/subnetpools/{subnetpool_id}/add_prefixes", rule("update_subnetpool"), find=pool_for, on="c")
async def add(call: Call[App], pool: SubnetPool, body: Prefixes) -> Prefixes:
    """Add prefixes to a subnet pool."""
    changed = await commands.add_prefixes(call.app, pool, body.prefixes)
    return Prefixes(prefixes=list(changed.prefixes))


@api.put("/subnetpools/{subnetpool_id}/remove_prefixes", rule("update_subnetpool"), find=pool_for, on="c")
async def remove(call: Call[App], pool: SubnetPool, body: Prefixes) -> Prefixes:
    """Remove prefixes from a subnet pool."""
    changed = await commands.remove_prefixes(call.app, pool, body.prefixes)
    return Prefixes(prefixes=list(changed.prefixes))


@api.put("/subnetpools/{subnetpool_id}/onboard_network_subnets", rule("onboard_network_subnets"), find=pool_for, on="c")
async def onboard(call: Call[App], pool: SubnetPool, body: Onboarding) -> list[dict[str, str]]:
    """Take a network's subnets into a subnet pool."""
    network = await network_for(call.app, call.caller, body.network_id)
    call.require("update_network", network.policy_target())
    version = pool.ip_version if body.ip_version is UNSET else body.ip_version
    found = await commands.onboard_network(call.app, pool, network, version)
    return [{"id": subnet.id, "cidr": subnet.cidr} for subnet in found]


@api.delete("/subnetpools/{subnetpool_id}", rule("delete_subnetpool"), find=pool_for)
async def delete(call: Call[App], pool: SubnetPool) -> None:
    """Delete a subnet pool."""
    await commands.delete_pool(call.app, pool)

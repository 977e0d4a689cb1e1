"""Trunks."""

from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from pileus.kit.auth import Caller
from pileus.kit.db import In
from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F, Wire
from pileus.network.api.finding import listed, own
from pileus.network.api.policy import project_of, require, rule
from pileus.network.api.service import api
from pileus.network.api.wires import Filters, Name, Owned, Seen, asked, standard, where
from pileus.network.app import Network as App
from pileus.network.commands import trunks as commands
from pileus.network.models.trunks import NewTrunk, Trunk
from pileus.network.store import trunks as rows


class SubportWanted(Wire):
    """A port to reach through the trunk, and by which tag."""

    port_id: str
    segmentation_type: str | UnsetType = UNSET
    segmentation_id: int | UnsetType = UNSET


class SubportNamed(Wire):
    __loose__ = True

    port_id: str


class TrunkWanted(Owned, kw_only=True):
    """A trunk to make or to change."""

    port_id: Annotated[str, F(on="c")]
    name: Name = ""
    description: Name = ""
    admin_up: Annotated[bool, F("admin_state_up")] = True
    sub_ports: Annotated[list[SubportWanted], F(on="c")] = []


class TrunkPost(Wire):
    trunk: TrunkWanted | UnsetType = UNSET
    trunks: list[TrunkWanted] | UnsetType = UNSET


class SubportSeen(Wire):
    port_id: str
    segmentation_type: str
    segmentation_id: int


class Subports(Wire):
    """The subports of a trunk."""

    sub_ports: list[SubportSeen]


class TrunkSeen(Seen):
    """A trunk as a caller sees it."""

    port_id: str
    admin_up: Annotated[bool, F("admin_state_up")]
    status: str
    sub_ports: list[SubportSeen]


class TrunksMade(Wire):
    trunk: TrunkSeen | UnsetType = UNSET
    trunks: list[TrunkSeen] | UnsetType = UNSET


class SubportsToAdd(Wire):
    """Subports to add."""

    sub_ports: list[SubportWanted]


class SubportsToRemove(Wire):
    """Subports to remove."""

    sub_ports: list[SubportNamed]


class TrunkFilters(Filters):
    port_id: list[str] = []
    admin_up: Annotated[list[bool], F("admin_state_up")] = []
    status: list[str] = []


def view(trunk: Trunk) -> TrunkSeen:
    """A trunk as the API shows it."""
    return TrunkSeen(
        **standard(trunk),
        port_id=trunk.port_id,
        admin_up=trunk.admin_up,
        status="ACTIVE" if trunk.up else "DOWN",
        sub_ports=_subports(trunk),
    )


def _subports(trunk: Trunk) -> list[SubportSeen]:
    return [
        SubportSeen(
            port_id=subport.port_id,
            segmentation_type=subport.segmentation_type,
            segmentation_id=subport.segmentation_id,
        )
        for subport in trunk.subports
    ]


_find = own(rows.SHELF, "trunk_id")


async def trunk_for(app: App, caller: Caller, trunk_id: str) -> Trunk:
    """The trunk with its subports, if the caller sees it; raises TrunkNotFound."""
    return (await rows.with_subports(app.db, [await _find(app, caller, trunk_id=trunk_id)]))[0]


@api.post("/trunks", rule("create_trunk"), late=True)
async def create(call: Call[App], body: TrunkPost) -> TrunksMade:
    """Create one trunk or many."""
    made = []
    async with call.app.db.transaction():
        for each in asked("trunk", body.trunk, body.trunks):
            project_id = project_of(call, each)
            require(call, "create", "trunk", each, {"project_id": project_id, "tenant_id": project_id})
            new = NewTrunk(
                project_id=project_id,
                port_id=each.port_id,
                name=each.name,
                description=each.description,
                admin_up=each.admin_up,
                subports=tuple(commands.asked_of(subport.given()) for subport in each.sub_ports),
            )
            made.append(view(await commands.create_trunk(call.app, new, any_port=call.caller.admin)))
    return TrunksMade(trunk=made[0]) if body.trunks is UNSET else TrunksMade(trunks=made)


@api.get("/trunks", rule("get_trunk"), key="trunks", late=True)
async def index(call: Call[App], query: TrunkFilters, page: Page) -> list[TrunkSeen]:
    """List trunks: the caller's own."""
    wanted: dict[str, Any] = where(query)
    if wanted.pop("status", None) is not None:
        wanted["up"] = In([status == "ACTIVE" for status in query.status if status in {"ACTIVE", "DOWN"}])
    found = await listed(call, rows.SHELF, "trunk", wanted, page)
    return [view(trunk) for trunk in await rows.with_subports(call.app.db, found)]


@api.get("/trunks/{trunk_id}", rule("get_trunk"), key="trunk", find=trunk_for)
async def show(call: Call[App], trunk: Trunk) -> TrunkSeen:
    """Show a trunk."""
    return view(trunk)


@api.put("/trunks/{trunk_id}", rule("update_trunk"), key="trunk", find=trunk_for)
async def update(call: Call[App], trunk: Trunk, body: TrunkWanted) -> TrunkSeen:
    """Change a trunk."""
    return view(await commands.update_trunk(call.app, trunk, body.given()))


@api.delete("/trunks/{trunk_id}", rule("delete_trunk"), find=trunk_for)
async def delete(call: Call[App], trunk: Trunk) -> None:
    """Delete a trunk; its ports stay."""
    await commands.delete_trunk(call.app, trunk)


@api.get("/trunks/{trunk_id}/get_subports", rule("get_subports"), find=trunk_for)
async def subports(call: Call[App], trunk: Trunk) -> Subports:
    """List the subports of a trunk."""
    return Subports(sub_ports=_subports(trunk))


@api.put("/trunks/{trunk_id}/add_subports", rule("add_subports"), find=trunk_for, on="c")
async def add(call: Call[App], trunk: Trunk, body: SubportsToAdd) -> TrunkSeen:
    """Add subports to a trunk."""
    wanted = [commands.asked_of(subport.given()) for subport in body.sub_ports]
    return view(await commands.add_subports(call.app, trunk, wanted, any_port=call.caller.admin))


@api.put("/trunks/{trunk_id}/remove_subports", rule("remove_subports"), find=trunk_for, on="c")
async def remove(call: Call[App], trunk: Trunk, body: SubportsToRemove) -> TrunkSeen:
    """Remove subports from a trunk."""
    return view(await commands.remove_subports(call.app, trunk, [subport.port_id for subport in body.sub_ports]))

"""Address groups: blocks of addresses that security group rules name together."""

from msgspec import UNSET, UnsetType

from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import Wire
from pileus.network.api.finding import listed, own
from pileus.network.api.policy import project_of, require, rule
from pileus.network.api.service import api
from pileus.network.api.wires import Filters, Name, Owned, Seen, asked, standard, where
from pileus.network.app import Network as App
from pileus.network.commands import address_groups as commands
from pileus.network.models.requests import NewAddressGroup
from pileus.network.models.resources import AddressGroup
from pileus.network.store.address_groups import SHELF


class AddressGroupWanted(Owned):
    """An address group to make."""

    name: Name = ""
    description: Name = ""
    addresses: list[str] = []


class AddressGroupChange(Wire):
    """What may be changed of an address group; its addresses are added and removed."""

    name: Name = ""
    description: Name = ""


class AddressGroupPost(Wire):
    address_group: AddressGroupWanted | UnsetType = UNSET
    address_groups: list[AddressGroupWanted] | UnsetType = UNSET


class AddressGroupSeen(Seen):
    """An address group as a caller sees it."""

    addresses: list[str]
    shared: bool = False


class AddressGroupsMade(Wire):
    address_group: AddressGroupSeen | UnsetType = UNSET
    address_groups: list[AddressGroupSeen] | UnsetType = UNSET


class Addresses(Wire):
    """Addresses to add or to remove."""

    addresses: list[str]


def view(group: AddressGroup) -> AddressGroupSeen:
    """An address group as the API shows it."""
    return AddressGroupSeen(**{**standard(group), "tags": UNSET}, addresses=list(group.addresses))


find = own(SHELF, "address_group_id")


@api.post("/address-groups", rule("create_address_group"), late=True)
async def create(call: Call[App], body: AddressGroupPost) -> AddressGroupsMade:
    """Create one address group or many."""
    made = []
    async with call.app.db.transaction():
        for each in asked("address_group", body.address_group, body.address_groups):
            project_id = project_of(call, each)
            require(call, "create", "address_group", each, {"project_id": project_id, "tenant_id": project_id})
            new = NewAddressGroup(
                project_id=project_id,
                name=each.name,
                description=each.description,
                addresses=tuple(each.addresses),
            )
            made.append(view(await commands.create_address_group(call.app, new)))
    if body.address_groups is UNSET:
        return AddressGroupsMade(address_group=made[0])
    return AddressGroupsMade(address_groups=made)


@api.get("/address-groups", rule("get_address_group"), key="address_groups", late=True)
async def index(call: Call[App], query: Filters, page: Page) -> list[AddressGroupSeen]:
    """List address groups: the caller's own."""
    return [view(group) for group in await listed(call, SHELF, "address_group", where(query), page)]


@api.get("/address-groups/{address_group_id}", rule("get_address_group"), key="address_group", find=find)
async def show(call: Call[App], group: AddressGroup) -> AddressGroupSeen:
    """Show an address group."""
    return view(group)


@api.put("/address-groups/{address_group_id}", rule("update_address_group"), key="address_group", find=find)
async def update(call: Call[App], group: AddressGroup, body: AddressGroupChange) -> AddressGroupSeen:
    """Change an address group."""
    return view(await commands.update_address_group(call.app, group, body.given()))


@api.put(
    "/address-groups/{address_group_id}/add_addresses",
    rule("add_addresses"),
    reply_key="address_group",
    find=find,
    on="c",
)
async def add(call: Call[App], group: AddressGroup, body: Addresses) -> AddressGroupSeen:
    """Add addresses to an address group."""
    return view(await commands.add_addresses(call.app, group, body.addresses))


@api.put(
    "/address-groups/{address_group_id}/remove_addresses",
    rule("remove_addresses"),
    reply_key="address_group",
    find=find,
    on="c",
)
async def remove(call: Call[App], group: AddressGroup, body: Addresses) -> AddressGroupSeen:
    """Remove addresses from an address group."""
    return view(await commands.remove_addresses(call.app, group, body.addresses))


@api.delete("/address-groups/{address_group_id}", rule("delete_address_group"), find=find)
async def delete(call: Call[App], group: AddressGroup) -> None:
    """Delete an address group."""
    await commands.delete_address_group(call.app, group)

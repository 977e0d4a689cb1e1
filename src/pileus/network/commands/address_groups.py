"""Address groups: what one can ask for."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from pileus.network.app import Network as App
from pileus.network.commands.quotas import make_room
from pileus.network.commands.standard import change, changed, standard, tell
from pileus.network.errors import InvalidInput
from pileus.network.errors.address_groups import AddressesAlreadyExist, AddressesNotFound, AddressGroupInUse
from pileus.network.models.requests import NewAddressGroup
from pileus.network.models.resources import AddressGroup
from pileus.network.store.address_groups import NAMED_BY, SHELF


def normal(addresses: Iterable[str]) -> tuple[str, ...]:
    """The blocks in canonical form, each once and in order; a bare address is a block of one. Raises InvalidInput."""
    found = []
    for given in addresses:
        try:
            found.append(str(ipaddress.ip_network(given, strict=False)))
        except ValueError:
            raise InvalidInput(why=f"'{given}' is not a valid IP address or CIDR") from None
    return tuple(dict.fromkeys(found))


async def create_address_group(app: App, wanted: NewAddressGroup) -> AddressGroup:
    """The project has the group."""
    addresses = normal(wanted.addresses)
    await make_room(app, "address_group", wanted.project_id)
    found = AddressGroup(**standard(app, wanted), addresses=addresses)
    await SHELF.insert(app.db, found)
    await tell(app, "address_group.created", found)
    return found


async def update_address_group(app: App, group: AddressGroup, values: Mapping[str, object]) -> AddressGroup:
    """The group is as asked for."""
    async with app.db.transaction():
        group = await SHELF.get(app.db, group.id)
        await change(app, SHELF.change, group, values)
        await tell(app, "address_group.updated", group)
        await changed(app)
        return await SHELF.get(app.db, group.id)


async def add_addresses(app: App, group: AddressGroup, addresses: Sequence[str]) -> AddressGroup:
    """The group holds these, too; raises AddressesAlreadyExist when it held one of them."""
    fresh = normal(addresses)
    async with app.db.transaction():
        group = await SHELF.get(app.db, group.id)
        there = [address for address in fresh if address in group.addresses]
        if there:
            raise AddressesAlreadyExist(addresses=there, id=group.id)
        return await update_address_group(app, group, {"addresses": (*group.addresses, *fresh)})


async def remove_addresses(app: App, group: AddressGroup, addresses: Sequence[str]) -> AddressGroup:
    """The group does not hold these; raises AddressesNotFound when it did not hold one of them."""
    going = normal(addresses)
    async with app.db.transaction():
        group = await SHELF.get(app.db, group.id)
        missing = [address for address in going if address not in group.addresses]
        if missing:
            raise AddressesNotFound(addresses=missing, id=group.id)
        left = tuple(address for address in group.addresses if address not in going)
        return await update_address_group(app, group, {"addresses": left})


async def delete_address_group(app: App, group: AddressGroup) -> None:
    """The group is gone; raises AddressGroupInUse while rules name it."""
    async with app.db.transaction():
        group = await SHELF.get(app.db, group.id)
        if await app.db.one(NAMED_BY, id=group.id) is not None:
            raise AddressGroupInUse(id=group.id)
        await app.db.run(SHELF.delete, of_id=group.id)
        await tell(app, "address_group.deleted", group)

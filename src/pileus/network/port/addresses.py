"""Keeps the promise of `pileus.ports.addresses`."""

from collections.abc import Sequence

from pileus.kit.auth import Caller
from pileus.kit.db import In
from pileus.network.app import Network as App
from pileus.network.commands import floating_ips as commands
from pileus.network.commands.ports import update_port
from pileus.network.commands.sharing import usable_by
from pileus.network.errors import FloatingIPNotFound, IpAddressGenerationFailure, NetworkNotFound
from pileus.network.models.requests import AskedIp, NewFloatingIp
from pileus.network.models.resources import FloatingIp, Network, Port
from pileus.network.store import floating_ips as rows
from pileus.network.store import networks as network_rows
from pileus.network.store import ports as port_rows
from pileus.network.store import subnets as subnet_rows
from pileus.ports.addresses import FloatingFacts, NetworkFacts

BY_NAME = (("name", "asc"),)


class AddressPort:
    """Floating IPs, the fixed addresses of servers, and networks."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def networks(self, caller: Caller) -> Sequence[NetworkFacts]:
        """The networks the caller sees, by name."""
        where = {} if caller.admin else {"visible": caller.project_id or ""}
        found = await self._app.db.page(network_rows.LISTING, where=where, sort=BY_NAME)
        return [_network(network) for network in found]

    async def network(self, caller: Caller, id: str) -> NetworkFacts | None:
        """The network, if it exists and the caller sees it."""
        found = await network_rows.network_find(self._app.db, id)
        if found is None:
            return None
        seen = caller.admin or found.external or await usable_by(self._app, caller.project_id or "", [found])
        return _network(found) if seen else None

    async def pools(self) -> Sequence[NetworkFacts]:
        """The networks that floating IPs come from, by name, the default one first."""
        found = await self._app.db.page(network_rows.LISTING, where={"external": True}, sort=BY_NAME)
        return [_network(network) for network in sorted(found, key=lambda one: not one.is_default)]

    async def floating_list(self, caller: Caller) -> Sequence[FloatingFacts]:
        """The floating IPs of the caller's project."""
        where = {"project_id": caller.project_id or ""}
        return await self._told(await self._app.db.page(rows.LISTING, where=where))

    async def floating(
        self, caller: Caller, *, id: str | None = None, address: str | None = None
    ) -> FloatingFacts | None:
        """The floating IP with this id or this address, if it exists and the caller sees it."""
        where: dict[str, object] = {"id": id} if address is None else {"address": address}
        if not caller.admin:
            where["project_id"] = caller.project_id or ""
        found = await self._told(await self._app.db.page(rows.LISTING, where=where, limit=1))
        return found[0] if found else None

    async def _told(self, found: Sequence[FloatingIp]) -> Sequence[FloatingFacts]:
        if not found:
            return []
        db = self._app.db
        pools = await db.page(network_rows.LISTING, where={"id": In({one.network_id for one in found})})
        names = {network.id: network.name or network.id for network in pools}
        ports = await db.page(port_rows.LISTING, where={"id": In({one.port_id for one in found if one.port_id})})
        servers = {port.id: port.device_id or None for port in ports}
        return [
            FloatingFacts(
                id=one.id,
                address=one.address,
                pool=names[one.network_id],
                project_id=one.project_id,
                fixed_address=one.fixed_ip,
                server_id=servers.get(one.port_id or ""),
            )
            for one in found
        ]

    async def allocate(self, caller: Caller, network_id: str) -> FloatingFacts:
        """The caller's project has another floating IP of that pool."""
        async with self._app.db.transaction():
            network = await network_rows.network_find(self._app.db, network_id)
            if network is None:
                raise NetworkNotFound(id=network_id)
            new = NewFloatingIp(project_id=caller.project_id or "", network_id=network.id)
            made = await commands.create_floating_ip(self._app, network, new, any_port=False)
            return (await self._told([made]))[0]

    async def release(self, caller: Caller, id: str) -> None:
        """The floating IP leads nowhere and is nobody's."""
        await commands.delete_floating_ip(self._app, await self._own(caller, id))

    async def lead(self, caller: Caller, id: str, server_id: str | None, fixed_address: str | None) -> None:
        """The floating IP leads to that address of the server, or nowhere."""
        async with self._app.db.transaction():
            floating = await self._own(caller, id)
            values: dict[str, object] = {"port_id": None}
            for port in await self._ports(server_id):
                if fixed_address in {fixed.address for fixed in port.fixed_ips}:
                    values = {"port_id": port.id, "fixed_ip": fixed_address}
            await commands.update_floating_ip(self._app, floating, values, any_port=caller.admin)

    async def _ports(self, server_id: str | None) -> Sequence[Port]:
        return [] if server_id is None else await port_rows.ports_of_servers(self._app.db, [server_id])

    async def _own(self, caller: Caller, id: str) -> FloatingIp:
        found = await rows.floating_ip_find(self._app.db, id)
        if found is None or not (caller.admin or found.project_id == caller.project_id):
            raise FloatingIPNotFound(id=id)
        return found

    async def add_fixed(self, server_id: str, network_id: str) -> bool:
        """The server's card on the network has one address more, of the first subnet that has one left."""
        async with self._app.db.transaction():
            port = next((port for port in await self._ports(server_id) if port.network_id == network_id), None)
            if port is None:
                return False
            has = [AskedIp(fixed.subnet, fixed.address) for fixed in port.fixed_ips]
            full: IpAddressGenerationFailure | None = None
            for subnet in await subnet_rows.subnets_on(self._app.db, network_id):
                try:
                    await update_port(self._app, port, {"fixed_ips": [*has, AskedIp(subnet.id)]})
                except IpAddressGenerationFailure as failure:
                    full = failure
                else:
                    return True
            raise full or IpAddressGenerationFailure(network=network_id)

    async def remove_fixed(self, server_id: str, address: str) -> bool:
        """The server does not have the address; returns whether it had."""
        async with self._app.db.transaction():
            for port in await self._ports(server_id):
                left = [AskedIp(fixed.subnet, fixed.address) for fixed in port.fixed_ips if fixed.address != address]
                if len(left) < len(port.fixed_ips):
                    await update_port(self._app, port, {"fixed_ips": left})
                    return True
            return False


def _network(network: Network) -> NetworkFacts:
    return NetworkFacts(id=network.id, name=network.name)

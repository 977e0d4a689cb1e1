"""Keeps the promise of `pileus.ports.network`: ports for servers."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Literal

from pileus.kit.auth import Caller
from pileus.network.app import Network as App
from pileus.network.commands.auto_topologies import ensure_topology
from pileus.network.commands.bindings import expect_binding, forget_bindings
from pileus.network.commands.groups import groups_named
from pileus.network.commands.ports import create_port, delete_port, ensure_metadata_port, update_port
from pileus.network.commands.quotas import make_room
from pileus.network.commands.sharing import usable_by
from pileus.network.commands.standard import change, changed
from pileus.network.commands.trunks import is_trunk
from pileus.network.errors import (
    AutoAllocationFailure,
    FixedIpAlreadyInUse,
    IpAddressAlreadyAllocated,
    NetworkNotFound,
    PortNotFound,
    PortRefused,
    PortStillInUse,
)
from pileus.network.models.names import words_of
from pileus.network.models.requests import AskedIp, NewPort
from pileus.network.models.resources import Network, Port
from pileus.network.port.addresses import AddressPort
from pileus.network.port.groups import Groups
from pileus.network.store import addresses as address_rows
from pileus.network.store import networks as network_rows
from pileus.network.store import ports as rows
from pileus.network.store.cards import cards_of
from pileus.network.store.journal import PORT
from pileus.network.store.subnets import subnets_named
from pileus.ports.network import NicRequest, PortFacts, SubnetFacts

OF_SERVERS = "compute:nova"
FREE = {"device_id": "", "device_owner": "", "server_id": None, "host": "", "up": False, "number": 0}


class Ports:
    """Ports for servers."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.groups = Groups(app)
        self.addresses = AddressPort(app)

    async def make_ports(
        self,
        caller: Caller,
        server_id: str,
        server_name: str,
        nics: Sequence[NicRequest] | Literal["auto", "none"],
        security_groups: Sequence[str] = (),
    ) -> tuple[PortFacts, ...]:
        """The server has these ports besides those it had, not bound yet; security groups by name or id, the project's
        default if none."""
        app, project_id = self._app, caller.project_id or ""
        async with app.db.transaction():
            wanted = await self._wanted(project_id, nics)
            fresh = sum(nic.port_id is None for nic in wanted)
            if fresh:
                await make_room(app, "port", project_id, fresh)
            groups = tuple(await groups_named(app, project_id, security_groups)) if security_groups else None
            had = await rows.ports_of_servers(app.db, [server_id])
            for number, nic in enumerate(wanted, start=max((port.number for port in had), default=-1) + 1):
                if nic.port_id is not None:
                    await self._adopt(caller, server_id, server_name, nic.port_id, number)
                    continue
                network = await self._network(caller, nic.network_id or "")
                await ensure_metadata_port(app, network)
                asked = None if nic.fixed_ip is None else (AskedIp(address=nic.fixed_ip),)
                new = NewPort(
                    project_id=project_id,
                    network_id=network.id,
                    device_id=server_id,
                    device_owner=OF_SERVERS,
                    server_id=server_id,
                    fixed_ips=asked,
                    security_groups=groups if network.port_security else None,
                    dns_name=_dns_name(server_name),
                    words=words_of(caller, project_id),
                    made=True,
                    number=number,
                )
                await self._make(network, new, nic.fixed_ip)
            return (await self.ports_of([server_id])).get(server_id, ())

    async def _make(self, network: Network, new: NewPort, fixed_ip: str | None) -> None:
        """The port is there; raises PortRefused or FixedIpAlreadyInUse."""
        try:
            port = await create_port(self._app, network, new, counted=True)
        except IpAddressAlreadyAllocated as taken:
            # Compute's clients know this as a request that is wrong, not as a conflict.
            raise FixedIpAlreadyInUse(address=fixed_ip, network=network.id) from taken
        if not port.fixed_ips and new.security_groups is not None:
            raise PortRefused(why=f"network {network.id} requires a subnet in order to boot servers on")

    async def _wanted(
        self, project_id: str, nics: Sequence[NicRequest] | Literal["auto", "none"]
    ) -> Sequence[NicRequest]:
        if nics == "none":
            return ()
        if nics != "auto":
            return nics
        found = await network_rows.usable_networks(self._app.db, project_id)
        own = [network for network in found if network.project_id == project_id] or found
        if len(own) > 1:
            raise PortRefused(why="Multiple possible networks found, use a Network ID to be more specific.")
        if not own and project_id:
            with contextlib.suppress(AutoAllocationFailure):
                return [NicRequest(network_id=(await ensure_topology(self._app, project_id)).network_id)]
        return [NicRequest(network_id=network.id) for network in own]

    async def _network(self, caller: Caller, network_id: str) -> Network:
        found = await network_rows.network_find(self._app.db, network_id)
        shared = found is not None and found.id in await usable_by(self._app, caller.project_id or "", [found])
        own = found is not None and (shared or caller.admin)
        if found is None or not (own or found.external):
            raise NetworkNotFound(id=network_id)
        if not own:
            raise PortRefused(why=f"It is not allowed to create an interface on external network {network_id}")
        return found

    async def _adopt(self, caller: Caller, server_id: str, server_name: str, port_id: str, number: int) -> None:
        port = await rows.port_find(self._app.db, port_id)
        if port is None or not (caller.admin or port.project_id == caller.project_id):
            raise PortNotFound(id=port_id)
        if port.device_id and port.device_id != server_id:
            raise PortStillInUse(id=port_id)
        if port.device_profile:
            raise PortRefused(
                why=f"port {port_id} asks for device profile {port.device_profile}, and no host has accelerators"
            )
        values = {
            "device_id": server_id,
            "device_owner": OF_SERVERS,
            "server_id": server_id,
            "dns_name": port.dns_name or _dns_name(server_name),
            "number": number,
        }
        await change(self._app, rows.CHANGE, port, values)
        await changed(self._app, PORT, port.id)

    async def bind_ports(self, server_id: str, host: str) -> tuple[PortFacts, ...]:
        """The server's ports are bound to the host; repeating changes nothing."""
        async with self._app.db.transaction():
            for port in await rows.ports_of_servers(self._app.db, [server_id]):
                if port.host != host:
                    await forget_bindings(self._app, [port])
                    await change(self._app, rows.CHANGE, port, {"host": host, "up": False})
                    await changed(self._app, PORT, port.id)
            return (await self.ports_of([server_id])).get(server_id, ())

    async def expect_ports(self, server_id: str, host: str | None) -> None:
        """The server's ports may come to this host too, and to no other; None: to none."""
        async with self._app.db.transaction():
            for port in await rows.ports_of_servers(self._app.db, [server_id]):
                await expect_binding(self._app, port, host)

    async def release_ports(self, server_id: str) -> None:
        """Ports made for the server are gone, the others are free again."""
        async with self._app.db.transaction():
            for port in await rows.ports_of_servers(self._app.db, [server_id]):
                await self._release(port)

    async def release_port(self, server_id: str, port_id: str) -> None:
        """The server does not have the port: one made for it is gone, another is free again."""
        async with self._app.db.transaction():
            port = await rows.port_find(self._app.db, port_id)
            if port is not None and port.server_id == server_id:
                await self._release(port)

    async def _release(self, port: Port) -> None:
        # A port that somebody made a trunk of is his by now.
        if port.made and not await is_trunk(self._app, port):
            await delete_port(self._app, port)
            return
        await forget_bindings(self._app, [port])
        await change(self._app, rows.CHANGE, port, {**FREE, "made": False})
        await changed(self._app, PORT, port.id)

    async def join_group(self, server_id: str, project_id: str, group: str) -> None:
        """The server's ports have the security group besides those they have; ports without port security are left alone."""
        async with self._app.db.transaction():
            (id,) = await groups_named(self._app, project_id, [group])
            for port in await rows.ports_of_servers(self._app.db, [server_id]):
                if port.port_security and id not in port.security_groups:
                    await update_port(self._app, port, {"security_groups": [*port.security_groups, id]})

    async def leave_group(self, server_id: str, project_id: str, group: str) -> bool:
        """No port of the server has the security group; returns whether one had."""
        async with self._app.db.transaction():
            (id,) = await groups_named(self._app, project_id, [group])
            ports = await rows.ports_of_servers(self._app.db, [server_id])
            members = [port for port in ports if id in port.security_groups]
            for port in members:
                rest = [other for other in port.security_groups if other != id]
                await update_port(self._app, port, {"security_groups": rest})
            return bool(members)

    async def ports_of(self, server_ids: Sequence[str]) -> Mapping[str, tuple[PortFacts, ...]]:
        """The ports of many servers at once, in the order in which they were asked for."""
        told: dict[str, list[PortFacts]] = {}
        for card in await cards_of(self._app.db, server_ids):
            told.setdefault(card.server_id, []).append(card)
        return {server_id: tuple(cards) for server_id, cards in told.items()}

    async def subnets_of(self, ports: Sequence[PortFacts]) -> Mapping[str, SubnetFacts]:
        """The subnets that the ports' addresses are of, by their ids."""
        ids = {address.subnet_id for port in ports for address in port.addresses if address.subnet_id}
        found = await subnets_named(self._app.db, sorted(ids))
        return {
            subnet.id: SubnetFacts(
                id=subnet.id,
                cidr=subnet.cidr,
                gateway=subnet.gateway_ip,
                dhcp=subnet.dhcp,
                mode=subnet.ipv6_address_mode,
                servers=subnet.dns_servers,
                routes=tuple((route.destination, route.nexthop) for route in subnet.host_routes),
            )
            for subnet in found
        }

    async def server_at(self, network_id: str, address: str) -> str | None:
        """The id of the server that has the address on the network."""
        return await self._app.db.one(address_rows.SERVER_AT, network_id=network_id, address=address) or None


def _dns_name(server_name: str) -> str:
    """A name for the name service, made of a server's name."""
    letters = "".join(char if char.isascii() and char.isalnum() else "-" for char in server_name.lower())
    return letters.strip("-")[:63]

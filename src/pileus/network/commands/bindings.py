"""Bindings: the host a port is on, and hosts it may move to; one of them is active."""

from collections.abc import Mapping, Sequence

import msgspec

from pileus.network.app import Network as App
from pileus.network.commands.standard import change, changed, tell
from pileus.network.errors import PortBindingAlreadyActive, PortBindingAlreadyExists, PortBindingNotFound
from pileus.network.models.resources import Binding, Port
from pileus.network.store import bindings as rows
from pileus.network.store import ports as port_rows
from pileus.network.store.journal import PORT


async def bindings_of(app: App, port: Port) -> list[tuple[Binding, bool]]:
    """The port's bindings, each with whether it is active; the active one first."""
    active = [(Binding(port.id, port.host, port.vnic_type, port.profile), True)] if port.host else []
    return [*active, *((binding, False) for binding in await app.db.all(rows.OF_PORT, id=port.id))]


async def binding_on(app: App, port: Port, host: str) -> tuple[Binding, bool]:
    """The port's binding to the host; raises PortBindingNotFound."""
    for binding, active in await bindings_of(app, port):
        if binding.host == host:
            return binding, active
    raise PortBindingNotFound(id=port.id, host=host)


async def create_binding(app: App, port: Port, binding: Binding) -> tuple[Binding, bool]:
    """The port may go to the host, too; if it was nowhere, it is there."""
    async with app.db.transaction():
        port = await port_rows.port_get(app.db, port.id)
        if not port.host:
            await _put_on(app, port, binding)
        elif port.host == binding.host or not await app.db.run(rows.INSERT, **msgspec.structs.asdict(binding)):
            raise PortBindingAlreadyExists(id=port.id, host=binding.host)
        await changed(app)
        return await binding_on(app, await port_rows.port_get(app.db, port.id), binding.host)


async def _put_on(app: App, port: Port, binding: Binding) -> None:
    values = {"host": binding.host, "vnic_type": binding.vnic_type, "profile": binding.profile, "up": False}
    await change(app, port_rows.CHANGE, port, values)
    await tell(app, "port.updated", port)


async def update_binding(app: App, port: Port, host: str, values: Mapping[str, object]) -> tuple[Binding, bool]:
    """The binding is as asked for."""
    async with app.db.transaction():
        port = await port_rows.port_get(app.db, port.id)
        _, active = await binding_on(app, port, host)
        if active:
            await change(app, port_rows.CHANGE, port, values)
        elif values:
            await app.db.run(rows.CHANGE, of_port=port.id, of_host=host, **values)
        return await binding_on(app, await port_rows.port_get(app.db, port.id), host)


async def activate_binding(app: App, port: Port, host: str) -> tuple[Binding, bool]:
    """The port is on the host; the binding that was active is kept, inactive."""
    async with app.db.transaction():
        port = await port_rows.port_get(app.db, port.id)
        binding, active = await binding_on(app, port, host)
        if active:
            raise PortBindingAlreadyActive(id=port.id, host=host)
        await app.db.run(rows.DELETE, of_port=port.id, of_host=host)
        if port.host:
            before = Binding(port.id, port.host, port.vnic_type, port.profile)
            await app.db.run(rows.INSERT, **msgspec.structs.asdict(before))
        await _put_on(app, port, binding)
        await changed(app)
        return binding, True


async def delete_binding(app: App, port: Port, host: str) -> None:
    """The port is not bound to the host."""
    async with app.db.transaction():
        port = await port_rows.port_get(app.db, port.id)
        binding, active = await binding_on(app, port, host)
        if active:
            await _put_on(app, port, msgspec.structs.replace(binding, host="", profile={}))
        else:
            await app.db.run(rows.DELETE, of_port=port.id, of_host=host)
        await changed(app)


async def expect_binding(app: App, port: Port, host: str | None) -> None:
    """The port may go to this host too, and to no other; None: to none."""
    known = [binding.host for binding, active in await bindings_of(app, port) if not active]
    if known == ([host] if host is not None and host != port.host else []):
        return
    await forget_bindings(app, [port])
    if host is not None and host != port.host:
        await app.db.run(rows.INSERT, **msgspec.structs.asdict(Binding(port.id, host, port.vnic_type, {})))
    await changed(app, PORT, port.id)


async def forget_bindings(app: App, ports: Sequence[Port]) -> None:
    """The ports are bound to no further host."""
    for port in ports:
        await app.db.run(rows.FORGET, of_port=port.id)

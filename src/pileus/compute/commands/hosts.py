"""Hosts as places for servers: what they are, and what an admin may say of them."""

from pileus.compute import errors
from pileus.compute.agent import KIND
from pileus.compute.app import Compute
from pileus.compute.commands.aggregates import zone_by_host
from pileus.compute.flows.hosts import facts_of, provider_id
from pileus.compute.models.hosts import ComputeHost
from pileus.compute.store.aggregates import host_leaves
from pileus.compute.store.hosts import HostSetting, setting_forget, setting_list, setting_put
from pileus.compute.store.servers import server_count_by_host


async def host_list(app: Compute) -> list[ComputeHost]:
    """All hosts that run servers, by name."""
    now, settings = app.clock.now(), await setting_list(app)
    zones = await zone_by_host(app)
    used = {room.name: room.used for room in await app.placement.rooms()}
    found: list[ComputeHost] = []
    for host in await app.hosts.list():
        facts = facts_of(host)
        if facts is None:
            continue
        said = settings.get(host.name)
        found.append(
            ComputeHost(
                name=host.name,
                number=len(found) + 1,
                facts=facts,
                zone=zones.get(host.name, app.config.zone),
                up=host.up(now) and not (said is not None and said.forced_down),
                last_heard=host.last_heard,
                disabled=said is not None and said.disabled,
                reason=said.reason if said is not None else None,
                forced_down=said is not None and said.forced_down,
                used=used.get(host.name, {}),
            )
        )
    return found


async def set_host(
    app: Compute, host: ComputeHost, *, disabled: bool, reason: str | None, forced_down: bool
) -> ComputeHost:
    """New servers come to the host, or do not."""
    setting = HostSetting(
        host=host.name, disabled=disabled, reason=reason, forced_down=forced_down, updated_at=app.clock.now()
    )
    await setting_put(app, setting)
    return next(each for each in await host_list(app) if each.name == host.name)


async def forget_host(app: Compute, host: ComputeHost) -> None:
    """The host is known no more; raises HostInUse while it is up or has servers."""
    if host.up:
        raise errors.HostInUse(host=host.name, why="it is up; stop its agent first")
    if (await server_count_by_host(app)).get(host.name):
        raise errors.HostInUse(host=host.name, why="it has servers")
    if any(not wish.gone for wish in await app.hosts.wanted_list(host.name, KIND)):
        raise errors.HostInUse(
            host=host.name, why="it keeps disks of servers that have moved: confirm or revert that first"
        )
    async with app.db.transaction():
        await app.placement.forget_provider(provider_id(host.name))
        await setting_forget(app, host.name)
        await host_leaves(app, host.name)
        await app.hosts.forget(host.name)

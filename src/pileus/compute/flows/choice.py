"""The choice of a host: which hosts may take a server, why the others may not, and room on one of them.

Everything that speaks against a host is a sentence that ends up in the fault of a server for which none is left.
"""

from collections.abc import Iterable, Mapping, Sequence

from pileus.compute.app import Compute
from pileus.compute.models.aggregates import unfit_by_specs, zones_of
from pileus.compute.models.groups import ServerGroup, preferred, unfit_for
from pileus.compute.models.servers import Server
from pileus.compute.store.aggregates import aggregate_list
from pileus.compute.store.groups import group_find, group_hold
from pileus.compute.store.hosts import HostSetting, setting_list
from pileus.compute.store.servers import server_get_many, server_list_in_groups
from pileus.kit.hosts.registry import Host
from pileus.ports.placement import Claim

Reasons = Mapping[str, str]


async def choose_host(app: Compute, server: Server, failed: Reasons) -> Claim | str:
    """The server has room on the best host that may take it; else why each of them may not. `failed` are out already."""
    async with app.db.transaction():
        group = await _held_group(app, server)
        hosts = await app.hosts.list()
        names = [host.name for host in hosts]
        counts = await _counts(app, group, server)
        reasons = dict(await _unfit(app, server, hosts))
        if group is not None:
            reasons = {**unfit_for(group, counts, names), **reasons}
        reasons |= failed
        usable = [name for name in names if name not in reasons and server.host_wanted in {None, name}]
        for among in preferred(group, counts, usable) if group is not None else [usable]:
            if not among:
                continue
            claim = await app.placement.claim(
                server.id, server.flavor.resources, project_id=server.project_id, user_id=server.user_id, among=among
            )
            if isinstance(claim, Claim):
                return claim
            reasons |= dict(claim.reasons)
    return "; ".join(f"{name}: {why}" for name, why in sorted(reasons.items())) or _nowhere(server, names)


def _nowhere(server: Server, known: list[str]) -> str:
    return f"There is no host named {server.host_wanted}." if server.host_wanted and known else "There is no host."


async def _held_group(app: Compute, server: Server) -> ServerGroup | None:
    if server.group_id is None:
        return None
    # Two servers of a group that are placed at once would not see each other.
    await group_hold(app, server.group_id)
    return await group_find(app, server.group_id)


async def _counts(app: Compute, group: ServerGroup | None, server: Server) -> dict[str, int]:
    """How many of the group's other servers are on each host, or on their way to it."""
    if group is None:
        return {}
    members = (await server_list_in_groups(app, [group.id]))[group.id]
    counts: dict[str, int] = {}
    for host in await _places(app, [member for member in members if member[0] != server.id]):
        counts[host] = counts.get(host, 0) + 1
    return counts


async def _places(app: Compute, servers: Iterable[tuple[str, str | None]]) -> list[str]:
    found = []
    for id, host in servers:
        found += [host] if host is not None else [claim.host for claim in await app.placement.claims(id)]
    return found


async def _unfit(app: Compute, server: Server, hosts: Sequence[Host]) -> dict[str, str]:
    """Hosts that may not be chosen now, and why."""
    settings, now = await setting_list(app), app.clock.now()
    aggregates = await aggregate_list(app)
    names = [host.name for host in hosts]
    return {
        **await _unfit_by_hints(app, server, names),
        **unfit_by_specs(aggregates, server.flavor.extra_specs, names),
        **_unfit_by_zone(app, server, zones_of(aggregates), names),
        **{host.name: why for host in hosts if (why := _why_not(host, settings, host.up(now)))},
    }


def _unfit_by_zone(app: Compute, server: Server, zones: Mapping[str, str], hosts: Sequence[str]) -> dict[str, str]:
    # Who names a host gets it, whatever its zone: the two were checked against each other when they were named.
    if server.zone_wanted is None or server.host_wanted is not None:
        return {}
    places = {host: zones.get(host, app.config.zone) for host in hosts}
    return {host: f"is in zone {zone}" for host, zone in places.items() if zone != server.zone_wanted}


async def _unfit_by_hints(app: Compute, server: Server, hosts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for hint, together in (("same_host", True), ("different_host", False)):
        ids = hinted(server.hints.get(hint))
        if ids:
            known = [each for each in await server_get_many(app, ids) if each.project_id == server.project_id]
            places = set(await _places(app, [(each.id, each.host) for each in known]))
            what = "does not have" if together else "has"
            found |= {host: f"{what} a server that {hint} names" for host in hosts if (host in places) is not together}
    return found


def hinted(value: object) -> list[str]:
    """The ids a hint holds: one, or a list of them."""
    if isinstance(value, str):
        return [value]
    return [str(each) for each in value] if isinstance(value, list) else []


def _why_not(host: Host, settings: dict[str, HostSetting], up: bool) -> str | None:  # noqa: FBT001 - a pair with host
    setting = settings.get(host.name)
    if setting is not None and setting.disabled:
        return f"is disabled ({setting.reason})" if setting.reason else "is disabled"
    if setting is not None and setting.forced_down:
        return "is marked as down"
    return None if up else f"has not been heard since {host.last_heard:%Y-%m-%dT%H:%M:%SZ}"

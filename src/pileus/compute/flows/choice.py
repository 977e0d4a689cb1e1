"""The choice of a host: which hosts may take a server, why the others may not, and room on one of them.

Everything that speaks against a host is a sentence that ends up in the fault of a server for which none is left.
"""

import random
from collections.abc import Iterable, Mapping, Sequence

from pileus.compute.app import Compute
from pileus.compute.drivers.interface import FORMATS
from pileus.compute.flows.disks import places, reach
from pileus.compute.flows.hosts import lacking
from pileus.compute.models.aggregates import unfit_by_specs, zones_of
from pileus.compute.models.groups import ServerGroup, preferred, unfit_for
from pileus.compute.models.servers import Server
from pileus.compute.store.aggregates import aggregate_list
from pileus.compute.store.groups import group_find, group_hold
from pileus.compute.store.hosts import HostSetting, setting_list
from pileus.compute.store.servers import server_get_many, server_list_in_groups
from pileus.ports.placement import Claim

Reasons = Mapping[str, str]

DRAWN = 64  # of the hosts that may take a server, where there are far more
MOMENT = "%Y-%m-%dT%H:%M:%SZ"


async def choose_host(app: Compute, server: Server, failed: Reasons) -> Claim | str:
    """The server has room on the best host that may take it; else why each of them may not. `failed` are out already."""
    async with app.db.transaction():
        group = await _held_group(app, server)
        names = await app.hosts.names()
        counts = await _counts(app, group, server)
        reasons = dict(await _unfit(app, server, names))
        if group is not None:
            reasons = {**unfit_for(group, counts, names), **reasons}
        reasons |= failed
        usable = [name for name in names if name not in reasons and server.host_wanted in {None, name}]
        for among in _rounds(preferred(group, counts, usable) if group is not None else [usable]):
            claim = await app.placement.claim(
                server.id, server.resources, project_id=server.project_id, user_id=server.user_id, among=among
            )
            if isinstance(claim, Claim):
                return claim
            reasons |= dict(claim.reasons)
    return "; ".join(f"{name}: {why}" for name, why in sorted(reasons.items())) or _nowhere(server, names)


def _rounds(choices: Iterable[Sequence[str]]) -> Iterable[Sequence[str]]:
    """The hosts to look at, one lot after another: of many equally good ones some first, as good as all and far quicker.

    The emptiest of that many drawn by lot is among the emptiest few in a hundred of all; only when none has room, all are asked.
    """
    for among in choices:
        if len(among) > 2 * DRAWN:
            yield random.sample(among, DRAWN)
        if among:
            yield among


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


async def _unfit(app: Compute, server: Server, names: Sequence[str]) -> dict[str, str]:
    """Hosts that may not be chosen now, and why."""
    aggregates = await aggregate_list(app)
    silent = {host.name: f"has not been heard since {host.last_heard:{MOMENT}}" for host in await app.hosts.silent()}
    told = {name: why for name, setting in (await setting_list(app)).items() if (why := _why_not(setting))}
    return {
        **await _unfit_by_hints(app, server, names),
        **unfit_by_specs(aggregates, server.flavor.extra_specs, names),
        **await _unfit_by_image(app, server),
        **await _unfit_by_volumes(app, server, names),
        **_unfit_by_zone(app, server, zones_of(aggregates), names),
        **silent,
        **{name: why for name, why in told.items() if name in silent or name in names},
    }


def _unfit_by_zone(app: Compute, server: Server, zones: Mapping[str, str], hosts: Sequence[str]) -> dict[str, str]:
    # Who names a host gets it, whatever its zone: the two were checked against each other when they were named.
    if server.zone_wanted is None or server.host_wanted is not None:
        return {}
    places = {host: zones.get(host, app.config.zone) for host in hosts}
    return {host: f"is in zone {zone}" for host, zone in places.items() if zone != server.zone_wanted}


async def _unfit_by_image(app: Compute, server: Server) -> dict[str, str]:
    """Hosts that cannot boot from what the server's image is stored as."""
    image = server.image
    if image is None or not (image.is_disc or (image.is_made_raw and server.shelf is None)):
        return {}
    return await lacking(app, FORMATS)


async def _unfit_by_volumes(app: Compute, server: Server, hosts: Sequence[str]) -> dict[str, str]:
    """Hosts that cannot get at the volumes the server has, or that those it is to have are made of."""
    found: dict[str, str] = {}
    for what, place in (await places(app, server)).items():
        found |= {host: f"cannot get at {what}, a file of host {place}" for host in hosts if host != place}
    for volume, reached_by in (await reach(app, server)).items():
        lacking = {host: f"cannot get at volume {volume}" for host in hosts if host not in reached_by}
        found = {**lacking, **found}
    return found


async def _unfit_by_hints(app: Compute, server: Server, hosts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for hint, together in (("same_host", True), ("different_host", False)):
        ids = hinted(server.hints.get(hint))
        if ids:
            # Of whatever project: who knows the id of another's server may want to be with it, or away from it.
            places = set(await _places(app, [(each.id, each.host) for each in await server_get_many(app, ids)]))
            what = "does not have" if together else "has"
            found |= {host: f"{what} a server that {hint} names" for host in hosts if (host in places) is not together}
    return found


def hinted(value: object) -> list[str]:
    """The ids a hint holds: one, or a list of them."""
    if isinstance(value, str):
        return [value]
    return [str(each) for each in value] if isinstance(value, list) else []


def _why_not(setting: HostSetting) -> str | None:
    if setting.disabled:
        return f"is disabled ({setting.reason})" if setting.reason else "is disabled"
    return "is marked as down" if setting.forced_down else None

"""Back ends and services as they are now: what hosts told of themselves, what was promised, what admins said."""

from collections.abc import Mapping, Sequence

import msgspec

from pileus.block_storage.agent import FACTS
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.drivers.interface import Room
from pileus.block_storage.models.services import BACKUP, PROGRAMS, SCHEDULER, VOLUME, Pool, Service
from pileus.block_storage.store.services import setting_list
from pileus.block_storage.store.volumes import allocated
from pileus.kit.hosts.registry import Host


def rooms(host: Host) -> list[Room]:
    """The back ends a host has."""
    return msgspec.convert(host.facts.get(FACTS, []), list[Room])


async def pool_list(app: BlockStorage) -> list[Pool]:
    """All back ends of all hosts."""
    hosts, now = await app.hosts.list(), app.clock.now()
    promised = _by_store(await allocated(app), hosts)
    return [
        Pool(
            host=host.name,
            backend=room.name,
            up=host.up(now),
            heard=host.last_heard,
            total_gib=room.total_gib,
            free_gib=room.free_gib,
            allocated_gib=promised.get(store_of(host.name, room), 0),
            shared=room.shared,
            capabilities={
                "driver": room.driver,
                "max_over_subscription_ratio": str(app.config.over_subscription),
                "reserved_percentage": app.config.reserved_percent,
                "thick_provisioning_support": False,
                "QoS_support": False,
                "replication_enabled": False,
                **room.capabilities,
            },
        )
        for host in hosts
        for room in rooms(host)
    ]


def store_of(host: str, room: Room) -> tuple[str, str]:
    """What a back end keeps its things in: its own, or one it shares with those of other hosts."""
    return ("", room.shared) if room.shared is not None else (host, room.name)


def _by_store(promised: Mapping[tuple[str, str], int], hosts: Sequence[Host]) -> dict[tuple[str, str], int]:
    """How many GiB were promised of each store, by whichever host."""
    found: dict[tuple[str, str], int] = {}
    for host in hosts:
        for room in rooms(host):
            store = store_of(host.name, room)
            found[store] = found.get(store, 0) + promised.get((host.name, room.name), 0)
    return found


async def hosts_with(app: BlockStorage, store: str) -> dict[str, str]:
    """The hosts that are heard and have that store of backups, each with a back end that has it."""
    hosts, now = await app.hosts.list(), app.clock.now()
    return {host.name: room.name for host in hosts if host.up(now) for room in rooms(host) if room.backups == store}


async def store_at(app: BlockStorage, host: str | None, backend: str | None) -> str | None:
    """The store that a back end puts backups in, if other hosts have it too."""
    hosts = [one for one in await app.hosts.list() if one.name == host]
    return next((room.backups for one in hosts for room in rooms(one) if room.name == backend), None)


async def service_list(app: BlockStorage) -> list[Service]:
    """The scheduler, each back end, and what makes backups on each host; as admins and hosts say."""
    settings, now = await setting_list(app), app.clock.now()
    found: list[Service] = []
    for host in [one for one in await app.hosts.list() if rooms(one)]:
        names: Sequence[tuple[str, str]] = [
            (SCHEDULER, host.name),
            *((VOLUME, f"{host.name}@{room.name}") for room in rooms(host)),
            (BACKUP, host.name),
        ]
        for program, place in names:
            said = settings.get((place, program))
            found.append(
                Service(
                    host=place,
                    program=program,
                    zone=app.config.zone,
                    up=host.up(now),
                    heard=host.last_heard,
                    disabled=said is not None and said.disabled,
                    reason=said.reason if said is not None else None,
                    frozen=said is not None and said.frozen,
                    backend_up=host.up(now) if program == VOLUME else None,
                )
            )
    return sorted(found, key=lambda one: (PROGRAMS.index(one.program), one.host))

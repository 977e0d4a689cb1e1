"""Back ends and services as they are now: what hosts told of themselves, what was promised, what admins said."""

from collections.abc import Sequence

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
    promised, now = await allocated(app), app.clock.now()
    return [
        Pool(
            host=host.name,
            backend=room.name,
            up=host.up(now),
            heard=host.last_heard,
            total_gib=room.total_gib,
            free_gib=room.free_gib,
            allocated_gib=promised.get((host.name, room.name), 0),
            capabilities={
                "driver": room.driver,
                "max_over_subscription_ratio": str(app.config.over_subscription),
                "reserved_percentage": app.config.reserved_percent,
                "thick_provisioning_support": False,
                "QoS_support": False,
                **room.capabilities,
            },
        )
        for host in await app.hosts.list()
        for room in rooms(host)
    ]


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

"""Every registered host is a provider of room, with as much of it as it says it has."""

import datetime as dt
import uuid
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from pileus.compute.app import Compute
from pileus.compute.config import ComputeConfig
from pileus.compute.models.hosts import HostFacts
from pileus.kit.flow.standing import Standing
from pileus.kit.hosts.exchange import Body
from pileus.kit.hosts.registry import HOST, Host
from pileus.ports.placement import Inventory

EVERY_S = 300.0
_HOSTS = uuid.UUID("6f1c1c0e-6f0b-5d0a-9a38-3f6f6c1b7f55")


def provider_id(host: str) -> str:
    """The id of a host as a provider of room, the same on every controller and for ever."""
    return str(uuid.uuid5(_HOSTS, host))


def facts_of(host: Host) -> HostFacts | None:
    """What the host says about servers: beside its other facts, or below `server`; None if it runs no servers."""
    facts: Body = host.facts.get("server", host.facts)
    return msgspec.convert(facts, HostFacts) if "cpus" in facts else None


async def lacking(app: Compute, ability: str) -> dict[str, str]:
    """The hosts that lack what only newer agents can do, and that in words."""
    found = {host.name: why_unable(host, ability) for host in await app.hosts.list()}
    return {name: why for name, why in found.items() if why is not None}


def why_unable(host: Host, ability: str) -> str | None:
    """Why the host cannot do what only newer agents can; None if it can."""
    facts = facts_of(host)
    if facts is None or ability in facts.abilities:
        return None
    return f"runs an earlier release, which cannot do that ({ability})"


def inventories(facts: HostFacts, config: ComputeConfig) -> Mapping[str, Inventory]:
    """The room a host has."""
    return {
        "VCPU": Inventory(total=facts.cpus, max_unit=facts.cpus, allocation_ratio=config.cpu_ratio),
        "MEMORY_MB": Inventory(
            total=facts.ram_mib,
            reserved=min(config.reserved_ram_mib, facts.ram_mib),
            max_unit=facts.ram_mib,
            allocation_ratio=config.ram_ratio,
        ),
        "DISK_GB": Inventory(
            total=facts.disk_gib,
            reserved=min(config.reserved_disk_gib, facts.disk_gib),
            max_unit=facts.disk_gib,
            allocation_ratio=config.disk_ratio,
        ),
    }


class HostsProvide:
    """Tells placement of hosts; again only when their facts have changed."""

    def __init__(self, app: Compute) -> None:
        self._app = app
        self._told: dict[str, tuple[dt.datetime, HostFacts]] = {}

    async def __call__(self) -> str | None:
        """Placement knows every host that runs servers, as it is now."""
        changed = []
        for host in await self._app.hosts.list():
            facts = facts_of(host)
            if facts is not None and not self._same(host, facts):
                await self._app.placement.ensure_provider(
                    host.name, provider_id(host.name), inventories(facts, self._app.config)
                )
                self._told[host.name] = (host.joined, facts)
                changed.append(host.name)
        return f"told placement of {', '.join(changed)}" if changed else None

    def _same(self, host: Host, facts: HostFacts) -> bool:
        joined, told = self._told.get(host.name, (None, None))
        # One that was removed and joined again is a new one. How much of a disk is free now is not what there is to claim.
        return joined == host.joined and told is not None and replace(told, disk_free_gib=facts.disk_free_gib) == facts


def standing(app: Compute) -> Standing:
    """The reconciler, ready to be run."""
    return Standing("compute.hosts", EVERY_S, HostsProvide(app), wake_topic=HOST)

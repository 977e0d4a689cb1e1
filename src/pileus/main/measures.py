"""What `/metrics` tells of the cloud as a whole: one cheap count per kind of thing, by the names openstack-exporter gives them.

Nothing is listed: every statement is a COUNT over an index or a small table. Scrapes that come quickly after one another share
one reading. Of operations only the newest are counted, since their history is never dropped.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.compute.flows.hosts import facts_of
from pileus.compute.tables import FLAVORS, SERVERS
from pileus.identity import tables as identity
from pileus.image.tables import IMAGES
from pileus.kit.clock import Clock
from pileus.kit.db import Database, Query, query
from pileus.kit.flow.standing import Reconcilers
from pileus.kit.hosts.control import Hosts
from pileus.kit.observe.metrics import Family, Kind, Sample
from pileus.kit.tables import events, operations
from pileus.network import tables as network
from pileus.placement.tables import INVENTORIES, PROVIDERS

FRESH_S = 5.0
OPERATIONS_COUNTED = 10_000


class Counted(msgspec.Struct, frozen=True):
    """A family whose samples are rows: the labels' values in their order, then the number."""

    name: str
    about: str
    statement: Query[Any]
    labels: tuple[str, ...] = ()
    kind: Kind = "gauge"


def _all(name: str, about: str, table: sa.Table, *where: sa.ColumnElement[bool]) -> Counted:
    return Counted(name, about, query(sa.select(sa.func.count()).select_from(table).where(*where), tuple[int]))


def _by(name: str, about: str, label: str, what: sa.ColumnElement[Any], *where: sa.ColumnElement[bool]) -> Counted:
    statement = sa.select(what, sa.func.count()).where(*where).group_by(what).order_by(what)
    return Counted(name, about, query(statement, tuple[str, int]), (label,))


def _room(name: str, about: str, amount: sa.ColumnElement[Any]) -> Counted:
    statement = (
        sa.select(PROVIDERS.c.name, INVENTORIES.c.resource_class, amount)
        .join(PROVIDERS, PROVIDERS.c.id == INVENTORIES.c.provider)
        .order_by(PROVIDERS.c.name, INVENTORIES.c.resource_class)
    )
    return Counted(
        f"openstack_placement_resource_{name}",
        about,
        query(statement, tuple[str, str, float]),
        ("hostname", "resourcetype"),
    )


_live = SERVERS.c.deleted_at.is_(None)
_status = sa.case(
    (SERVERS.c.broken, "ERROR"),
    (SERVERS.c.launched_at.is_(None), "BUILD"),
    (SERVERS.c.phase == sa.literal_column("'rescued'"), "RESCUE"),
    (SERVERS.c.phase == sa.literal_column("'resized'"), "VERIFY_RESIZE"),
    (SERVERS.c.phase.is_not(None), sa.func.upper(SERVERS.c.phase)),
    (SERVERS.c.power_wanted == sa.literal_column("'on'"), "ACTIVE"),
    else_="SHUTOFF",
)
_port_status = sa.case((network.ports.c.up, "ACTIVE"), else_="DOWN")
_is_domain = identity.projects.c.is_domain
_recent = operations.c.number > (
    sa.select(sa.func.coalesce(sa.func.max(operations.c.number), 0) - OPERATIONS_COUNTED).scalar_subquery()
)
_flows = (operations.c.flow, operations.c.state)

OF_ALL: tuple[Counted, ...] = (
    Counted(
        "pileus_operations",
        f"Of the newest {OPERATIONS_COUNTED} operations, by flow and state; open are queued and running.",
        query(
            sa.select(*_flows, sa.func.count()).where(_recent).group_by(*_flows).order_by(*_flows), tuple[str, str, int]
        ),
        ("flow", "state"),
    ),
    Counted(
        "pileus_events_total",
        "Changes of state told so far.",
        query(sa.select(sa.func.coalesce(sa.func.max(events.c.number), 0)), tuple[int]),
        kind="counter",
    ),
)
OF_SERVICE: dict[str, tuple[Counted, ...]] = {
    "identity": (
        _all("openstack_identity_domains", "Domains.", identity.projects, _is_domain.is_(sa.true())),
        _all("openstack_identity_projects", "Projects.", identity.projects, _is_domain.is_(sa.false())),
        _all("openstack_identity_users", "Users.", identity.users),
        _all("openstack_identity_groups", "Groups.", identity.groups),
    ),
    "image": (
        _all("openstack_glance_images", "Images.", IMAGES),
        _by("pileus_images", "Images by status.", "status", IMAGES.c.status),
        Counted(
            "pileus_image_bytes",
            "Bytes of all images.",
            query(sa.select(sa.func.coalesce(sa.func.sum(IMAGES.c.size), 0)), tuple[int]),
        ),
    ),
    "placement": (
        _room("total", "What a host has.", INVENTORIES.c.total),
        _room("reserved", "What is kept back for the host itself.", INVENTORIES.c.reserved),
        _room("usage", "What is claimed.", INVENTORIES.c.used),
        _room("allocation_ratio", "How often the same may be claimed.", INVENTORIES.c.allocation_ratio),
    ),
    "compute": (
        _all("openstack_nova_total_vms", "Servers.", SERVERS, _live),
        _all("openstack_nova_flavors", "Flavors.", FLAVORS),
        _by("pileus_servers", "Servers by status.", "status", _status, _live),
        _by(
            "openstack_nova_running_vms",
            "Servers by host.",
            "hostname",
            SERVERS.c.host,
            _live,
            SERVERS.c.host.is_not(None),
        ),
    ),
    "network": (
        _all("openstack_neutron_networks", "Networks.", network.networks),
        _all("openstack_neutron_subnets", "Subnets.", network.subnets),
        _all("openstack_neutron_ports", "Ports.", network.ports),
        _all("openstack_neutron_routers", "Routers.", network.routers),
        _all("openstack_neutron_floating_ips", "Floating IPs.", network.floating_ips),
        _all("openstack_neutron_security_groups", "Security groups.", network.security_groups),
        _by("pileus_ports", "Ports by status.", "status", _port_status),
    ),
}
UP = {
    "identity": "openstack_identity_up",
    "image": "openstack_glance_up",
    "placement": "openstack_placement_up",
    "compute": "openstack_nova_up",
    "network": "openstack_neutron_up",
}


class Measures:
    """Reads what there is."""

    def __init__(
        self, db: Database, clock: Clock, hosts: Hosts, reconcilers: Reconcilers, services: Sequence[str]
    ) -> None:
        self._db = db
        self._clock = clock
        self._hosts = hosts
        self._reconcilers = reconcilers
        self._services = tuple(services)
        self._read_at = float("-inf")
        self._counted: list[Family] = []

    async def families(self) -> list[Family]:
        """All there is to tell; counts may be a few seconds old."""
        now = self._clock.monotonic()
        if now - self._read_at >= FRESH_S:
            self._counted = await self._count()
            self._read_at = now
        tally = self._db.tally
        return [
            *self._counted,
            *self._standing(),
            _one("pileus_database_commits_total", "Transactions committed.", tally.committed, "counter"),
            _one("pileus_database_rollbacks_total", "Transactions given up.", tally.rolled_back, "counter"),
        ]

    async def _count(self) -> list[Family]:
        wanted = [*OF_ALL, *(one for service in self._services for one in OF_SERVICE.get(service, ()))]
        found = [await self._family(one) for one in wanted]
        found += [_one(UP[service], "The service answers.", 1) for service in self._services if service in UP]
        return [*found, *await self._of_hosts()]

    async def _family(self, counted: Counted) -> Family:
        rows = await self._db.all(counted.statement)
        samples = tuple(
            Sample(float(row[-1]), dict(zip(counted.labels, map(str, row), strict=False)) if counted.labels else {})
            for row in rows
        )
        return Family(counted.name, counted.kind, counted.about, samples)

    async def _of_hosts(self) -> list[Family]:
        now = self._clock.now()
        hosts = await self._hosts.list()
        up = [(host, float(host.up(now))) for host in hosts]
        found = [
            Family("pileus_host_up", "gauge", "Whether a host was heard lately.",
                   tuple(Sample(is_up, {"hostname": host.name}) for host, is_up in up)),
            Family("pileus_host_silent_seconds", "gauge", "Since a host was heard.",
                   tuple(Sample((now - host.last_heard).total_seconds(), {"hostname": host.name}) for host in hosts)),
        ]  # fmt: skip
        agents = {"compute": ("openstack_nova_agent_state", "nova-compute"),
                  "network": ("openstack_neutron_agent_state", "ovn-controller")}  # fmt: skip
        for service, (name, binary) in agents.items():
            if service in self._services:
                samples = tuple(Sample(is_up, {"hostname": host.name, "service": binary}) for host, is_up in up)
                found.append(Family(name, "gauge", "1 while the host's agent is heard.", samples))
        if "compute" in self._services:
            cpus = [(host.name, facts.cpus) for host in hosts if (facts := facts_of(host)) is not None]
            samples = tuple(Sample(count, {"hostname": name}) for name, count in cpus)
            found.append(Family("openstack_nova_vcpus_available", "gauge", "Processors of a host.", samples))
        return found

    def _standing(self) -> list[Family]:
        last = sorted(self._reconcilers.last.items())
        told = (
            ("pileus_reconciler_ok", "Whether the last run went well.", [float(run.ok) for _, run in last]),
            (
                "pileus_reconciler_last_run_timestamp_seconds",
                "When it ran last.",
                [run.at.timestamp() for _, run in last],
            ),
            ("pileus_reconciler_duration_seconds", "How long the last run took.", [run.took_s for _, run in last]),
            ("pileus_reconciler_failures", "Failures in a row.", [float(run.failures) for _, run in last]),
        )
        return [
            Family(name, "gauge", about, tuple(
                Sample(value, {"reconciler": who}) for (who, _), value in zip(last, values, strict=True)
            ))
            for name, about, values in told
        ]  # fmt: skip


def _one(name: str, about: str, value: float, kind: Kind = "gauge") -> Family:
    return Family(name, kind, about, (Sample(value),))

"""What main mounts of the network service."""

from collections.abc import Sequence
from functools import partial

from pileus.kit.bus import Bus
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.flow.standing import Standing
from pileus.kit.flow.step import Flow
from pileus.kit.hosts.control import Hosts
from pileus.kit.observe.events import Events
from pileus.network import tables
from pileus.network.api import address_groups as _address_groups  # noqa: F401
from pileus.network.api import address_scopes as _address_scopes  # noqa: F401
from pileus.network.api import agents as _agents  # noqa: F401
from pileus.network.api import auto_topologies as _auto_topologies  # noqa: F401
from pileus.network.api import default_rules as _default_rules  # noqa: F401
from pileus.network.api import extensions as _extensions  # noqa: F401
from pileus.network.api import flavors as _flavors  # noqa: F401
from pileus.network.api import floating_ips as _floating_ips  # noqa: F401
from pileus.network.api import ip_availability as _ip_availability  # noqa: F401
from pileus.network.api import logs as _logs  # noqa: F401
from pileus.network.api import networks as _networks  # noqa: F401
from pileus.network.api import port_bindings as _port_bindings  # noqa: F401
from pileus.network.api import port_forwardings as _port_forwardings  # noqa: F401
from pileus.network.api import ports as _ports  # noqa: F401
from pileus.network.api import qos as _qos  # noqa: F401
from pileus.network.api import qos_rules as _qos_rules  # noqa: F401
from pileus.network.api import quotas as _quotas  # noqa: F401
from pileus.network.api import rbac as _rbac  # noqa: F401
from pileus.network.api import router_gateways as _router_gateways  # noqa: F401
from pileus.network.api import routers as _routers  # noqa: F401
from pileus.network.api import security_groups as _security_groups  # noqa: F401
from pileus.network.api import segment_ranges as _segment_ranges  # noqa: F401
from pileus.network.api import service_providers as _service_providers  # noqa: F401
from pileus.network.api import subnetpools as _subnetpools  # noqa: F401
from pileus.network.api import subnets as _subnets  # noqa: F401
from pileus.network.api import tags as _tags  # noqa: F401
from pileus.network.api import trunks as _trunks  # noqa: F401
from pileus.network.api import versions as _versions  # noqa: F401
from pileus.network.api.service import api as API  # noqa: N812
from pileus.network.app import Network
from pileus.network.commands.segment_ranges import ensure_defaults
from pileus.network.config import NetworkConfig
from pileus.network.drivers.interface import Fabric
from pileus.network.flows.fabric import FabricKeeper
from pileus.network.port import Ports

NAME = "network"
MOUNT = "network"
METADATA = tables.metadata
FLOWS: tuple[Flow, ...] = ()
CATALOG = ("network", "neutron", "Networking", "")


def build(
    *,
    db: Database,
    clock: Clock,
    bus: Bus,
    hosts: Hosts,
    events: Events,
    fabric: Fabric,
    config: NetworkConfig | None = None,
) -> Network:
    """The service's record of collaborators."""
    return Network(
        db=db, clock=clock, bus=bus, hosts=hosts, events=events, fabric=fabric, config=config or NetworkConfig()
    )


def port(app: Network) -> Ports:
    """What compute is handed: `pileus.ports.network.Networks`."""
    return Ports(app)


def standing(app: Network) -> Sequence[Standing]:
    """What is to be kept right for ever, for kit's Reconcilers; call it once, it listens to the fabric."""
    ranges = Standing("network.segment_ranges", 3600.0, partial(ensure_defaults, app))
    return (*FabricKeeper(app).standing(), ranges)


__all__ = ["API", "CATALOG", "FLOWS", "METADATA", "MOUNT", "NAME", "build", "port", "standing"]

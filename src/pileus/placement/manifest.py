"""What main mounts of placement."""

from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.placement.api import allocations, candidates, inventories, labels, names, providers, reshaper, root, usages
from pileus.placement.api.service import api
from pileus.placement.app import PlacementApp
from pileus.placement.port import PlacementPort
from pileus.placement.tables import PLACEMENT

NAME = "placement"
MOUNT = "placement"
API = api
METADATA = PLACEMENT
MIGRATIONS = "pileus.placement.migrations"
FLOWS = ()
CATALOG = ("placement", "placement", "OpenStack Placement Service", "")
RESOURCES = (root, names, providers, inventories, labels, allocations, usages, candidates, reshaper)


def build(*, db: Database, clock: Clock) -> PlacementApp:
    """Placement, ready to be asked."""
    return PlacementApp(db=db, clock=clock)


def port(app: PlacementApp) -> PlacementPort:
    """What the other services get of it: keeps pileus.ports.placement.Placement."""
    return PlacementPort(app)

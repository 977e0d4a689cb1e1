"""What placement works with."""

import msgspec

from pileus.kit.clock import Clock
from pileus.kit.db import Database


class PlacementApp(msgspec.Struct, frozen=True):
    """Placement's collaborators."""

    db: Database
    clock: Clock

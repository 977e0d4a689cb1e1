"""What the image service works with."""

import msgspec

from pileus.image.config import ImageConfig
from pileus.image.drivers.interface import Stores, Web
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.flow.operations import Operations


class ImageApp(msgspec.Struct, frozen=True, kw_only=True):
    """The image service's collaborators."""

    db: Database
    clock: Clock
    operations: Operations
    stores: Stores
    web: Web  # addresses that users name
    config: ImageConfig

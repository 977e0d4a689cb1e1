"""What the image service works with."""

import msgspec

from pileus.image.config import ImageConfig
from pileus.image.drivers.interface import ByteStore
from pileus.kit.clock import Clock
from pileus.kit.db import Database


class ImageApp(msgspec.Struct, frozen=True):
    """The image service's collaborators."""

    db: Database
    clock: Clock
    files: ByteStore
    config: ImageConfig

"""Where the bytes of images lie."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pileus.image.drivers.file import FileStore
from pileus.image.drivers.interface import ByteStore

STORES: Mapping[str, Callable[[Path], ByteStore]] = {"file": FileStore}

"""Whether a host takes an image: its bytes are what they are said to be, refer to nothing else, and fit.

The image service looks at what is uploaded, unless its operator told it not to; a host opens nothing on its word. Every
hypervisor judges by these, the pretended ones too.
"""

from pathlib import Path

from pileus.compute.drivers.interface import DriverError, Image, Stored
from pileus.kit.disk_formats import Mismatch, Unsafe, check_file


def judged(file: Path, image: Image) -> int:
    """How many bytes the image's disk has, which the file with the image's bytes tells; raises DriverError."""
    try:
        size = check_file(file, image.claim)
        return size if size is not None and image.stored is not Stored.ISO else file.stat().st_size
    except (Mismatch, Unsafe, OSError) as refused:
        raise DriverError(f"Image {image.id} is refused by this host", str(refused)) from refused


def check_fit(holds: int, room: int) -> None:
    """Raise DriverError unless the image's disk fits into the server's; 0: that is as large as the image."""
    if room and holds > room:
        why = f"the disk has {room} bytes, and the image {holds}"
        raise DriverError("The flavor's disk is too small for the image", why)

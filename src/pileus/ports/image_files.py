"""What hosts need of images: the bytes of one, on a disk of theirs.

The image service keeps the promise where it shares a machine with the host; from afar the host's channel to the
controller does. Nobody else copies images.
"""

from pathlib import Path
from typing import Protocol


class ImageFiles(Protocol):
    """Stored images, as files."""

    async def fetch(self, image_id: str, destination: Path) -> None:
        """The bytes of the image, verified against its checksum, are in `destination`; else this raises."""
        ...


class KnownImageFiles(ImageFiles, Protocol):
    """Stored images, as files, and what their bytes are known to be."""

    async def sha512(self, image_id: str) -> str | None:
        """The SHA-512 of the image's bytes, if that is the hash it has; None for an image that is gone, too."""
        ...

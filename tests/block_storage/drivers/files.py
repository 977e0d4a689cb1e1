"""What back ends are tested with whose disks are files: somebody who writes and reads them, and an image."""

from pathlib import Path

from tests.block_storage.drivers.contract import IMAGE

from pileus.block_storage.drivers.interface import Backend, Kind


class OneImage:
    """Keeps pileus.ports.image_files.ImageFiles."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def fetch(self, image_id: str, destination: Path) -> None:
        assert image_id == IMAGE
        destination.write_bytes(self.content)


class WorldOfFiles:
    """Who is above says what the back end is and how its files are called."""

    backend: Backend

    def __init__(self, image: bytes = b"an image" * 512) -> None:
        self.images = OneImage(image)

    def file(self, kind: Kind, id: str) -> Path:
        raise NotImplementedError

    def write(self, kind: Kind, id: str, content: bytes, at: int = 0) -> None:
        with self.file(kind, id).open("r+b") as disk:
            disk.seek(at)
            disk.write(content)

    def read(self, kind: Kind, id: str) -> bytes:
        with self.file(kind, id).open("rb") as disk:
            return disk.read(1 << 16)

    def image(self) -> bytes:
        return self.images.content

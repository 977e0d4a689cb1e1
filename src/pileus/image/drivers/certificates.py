"""Certificates as files of a folder that the operator fills: `<uuid>.pem`."""

import asyncio
import uuid
from pathlib import Path

LONGEST = 64 << 10


class CertificateFolder:
    """A folder of certificates; keeps pileus.ports.certificates.Certificates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def certificate(self, reference: str) -> bytes | None:
        """The file's bytes. What is no UUID names no file, so a reference never leads out of the folder."""
        try:
            name = str(uuid.UUID(reference))
        except ValueError:
            return None
        return await asyncio.to_thread(self._read, name)

    def _read(self, name: str) -> bytes | None:
        try:
            with (self._folder / f"{name}.pem").open("rb") as file:
                return file.read(LONGEST)
        except FileNotFoundError:
            return None

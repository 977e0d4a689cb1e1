"""Root secrets of encryption: files of a folder that only the cloud reads, named by number.

    1 2 3    32 random bytes each, in base64; the highest seals what is new, unless another is named; all of them open

None is ever removed: what it sealed is lost without it. Several controllers share the folder or have the same files.
"""

import os
import secrets
from base64 import b64decode, b64encode
from pathlib import Path

from pileus.kit.errors import Invalid
from pileus.object_store.disk.durable import sync_folder
from pileus.object_store.models.ciphers import KEY, Secret


class NoSuchSecret(Invalid):
    """There is no root secret {id} in {folder}, which object_store.encryption_secret names."""


class RootSecrets:
    """The folder of root secrets. `sealing` is whether what is new is encrypted: then there is a secret at least."""

    def __init__(self, folder: Path, *, sealing: bool = False, chosen: str = "") -> None:
        self._folder = folder
        self._sealing = sealing
        self._chosen = chosen
        self._known: dict[str, Secret] = {}
        self._seen = 0
        if sealing and not self._ids():
            self.add()
        if sealing and chosen and chosen not in self._ids():
            raise NoSuchSecret(id=chosen, folder=folder)

    @property
    def active(self) -> Secret | None:
        """What seals now; None while nothing new is encrypted."""
        if not self._sealing:
            return None
        self._look()
        return self._known[self._chosen or max(self._known, key=int)]

    def get(self, id: str) -> Secret | None:
        """The secret of that name."""
        if id not in self._known:
            self._look()
        return self._known.get(id)

    def add(self) -> str:
        """A new secret is there, durably; return its name. It seals as soon as it is the highest and none is chosen."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = max((int(id) for id in self._ids()), default=0) + 1
        aside = self._folder / f".{number}.new"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b64encode(secrets.token_bytes(KEY)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, self._folder / str(number))  # fails where another made the same number meanwhile
        aside.unlink()
        sync_folder(str(self._folder))
        return str(number)

    def _look(self) -> None:
        try:
            now = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if now == self._seen:
            return
        for id in self._ids():
            if id not in self._known:
                self._known[id] = Secret(id, b64decode((self._folder / id).read_bytes()))
        self._seen = now

    def _ids(self) -> list[str]:
        try:
            return [path.name for path in self._folder.iterdir() if path.name.isdigit()]
        except FileNotFoundError:
            return []

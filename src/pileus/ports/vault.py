"""Where services put secrets they have to keep for a while: sealed with keys that are not in the database."""

from typing import Protocol


class Vault(Protocol):
    """Seals with the newest key of this cloud, which all its controllers share, and opens with any."""

    def seal(self, payload: bytes) -> str:
        """What may stand in the database in place of the payload."""
        ...

    def open(self, token: str) -> bytes | None:
        """What was sealed; None when its key is gone."""
        ...

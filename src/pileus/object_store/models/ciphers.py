"""Ciphers of what is kept: texts are sealed with AES-GCM, the bytes of objects with AES-CTR, so that any part can be read.

    root secret --HMAC with the path--> key of an object or a container --seals--> its texts, and the key of an object's bytes

A sealed text says which root secret it takes, so that there may be several. Names, sizes and times are not sealed: they are what
the engine works with.
"""

import hmac
import os
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import ClassVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from pileus.object_store.models.paths import Path

MARK = "sealed:1:"  # what a sealed text begins with; 1 is how it was sealed
KEY, NONCE, COUNTER = 32, 12, 16  # bytes


class NotOpened(ValueError):
    """A sealed text cannot be opened: its root secret is not here, or it is not what was sealed."""


class Secret(msgspec.Struct, frozen=True):
    """A root secret."""

    id: str
    key: bytes


class Seals:
    """Seals and opens the texts of one object or container."""

    def __init__(self, path: Path, secret_of: Callable[[str], Secret | None]) -> None:
        self._path = str(path).encode("utf-8", "surrogateescape")
        self._secret_of = secret_of
        self._known: dict[str, AESGCM] = {}

    def seal(self, secret: Secret, text: bytes, about: str) -> str:
        """The text sealed, as what it is about; opened only as that."""
        nonce = os.urandom(NONCE)
        sealed = self._cipher(secret.id, secret).encrypt(nonce, text, about.encode())
        return f"{MARK}{secret.id}:{b64encode(nonce + sealed).decode()}"

    def open(self, token: str, about: str) -> bytes:
        """What was sealed; raises NotOpened."""
        id, _, text = token.removeprefix(MARK).partition(":")
        try:
            raw = b64decode(text, validate=True)
            return self._cipher(id, None).decrypt(raw[:NONCE], raw[NONCE:], about.encode())
        except InvalidTag as changed:
            raise NotOpened(f"what root secret {id!r} sealed was changed") from changed
        except ValueError as wrong:
            raise NotOpened(f"what root secret {id!r} sealed cannot be opened: {wrong}") from wrong

    def _cipher(self, id: str, secret: Secret | None) -> AESGCM:
        found = self._known.get(id)
        if found is None:
            secret = secret or self._secret_of(id)
            if secret is None:
                raise ValueError("it is not here")
            found = self._known[id] = AESGCM(hmac.digest(secret.key, self._path, "sha256"))
        return found


class BytesKey(msgspec.Struct, frozen=True):
    """What the bytes of one object are encrypted with: made anew whenever it is written."""

    key: bytes
    start: bytes  # of the counter

    SIZE: ClassVar[int] = KEY + COUNTER  # of it as it is sealed

    @classmethod
    def fresh(cls) -> "BytesKey":
        """One that nothing was encrypted with yet."""
        return cls(os.urandom(KEY), os.urandom(COUNTER))

    @classmethod
    def of(cls, raw: bytes) -> "BytesKey":
        """The one that was written down so; more may stand behind it."""
        return cls(raw[:KEY], raw[KEY : KEY + COUNTER])

    @property
    def raw(self) -> bytes:
        """As it is sealed."""
        return self.key + self.start

    def at(self, position: int) -> Callable[[bytes], bytes]:
        """What turns bytes from there on, one chunk after another: both ways are the same."""
        blocks, skipped = divmod(position, COUNTER)
        counter = (int.from_bytes(self.start) + blocks) % (1 << 8 * COUNTER)
        turned = Cipher(AES(self.key), CTR(counter.to_bytes(COUNTER))).encryptor()
        turned.update(bytes(skipped))
        return turned.update

"""Keys of encrypted volumes: made here, kept sealed by the cloud's vault, opened for hosts that need them.

Every volume, snapshot and backup has a sealed copy of its own, which goes with its row; what is copied of encrypted bytes is
opened by the same key, as its bytes are the same.
"""

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.drivers.luks import KEY_BITS, cipherment
from pileus.block_storage.store.volumes import volumes

OCTETS = 32
# As they are called today, and by the classes of older clients, which they name by their modules. All are LUKS here: also
# `plain`, dm-crypt without a header, which QEMU does not open.
PROVIDERS = ("luks", "luks2", "plain", "LuksEncryptor", "Luks2Encryptor", "CryptsetupEncryptor")
OFFERED = ", ".join(f"aes-{mode} with {' or '.join(map(str, bits))} bits" for mode, bits in KEY_BITS.items())


class Key(msgspec.Struct, frozen=True):
    """What opens encrypted bytes, sealed, and the name it is shown by."""

    id: str | None = None
    sealed: str | None = None

    def again(self) -> "Key":
        """The same for a copy of the bytes, under a name of its own."""
        return Key(str(uuid.uuid4()), self.sealed) if self.sealed is not None else self


def new_key(app: BlockStorage, encryption: Mapping[str, Any]) -> Key:
    """A new key for a volume of a type with that encryption; raises InvalidInput for one that is not offered."""
    provider = str(encryption.get("provider") or "")
    cipher, bits = encryption.get("cipher"), encryption.get("key_size")
    if provider.rpartition(".")[2] not in PROVIDERS:
        raise errors.InvalidInput(
            why=f"Volumes are encrypted by LUKS: encryption provider '{provider}' of the volume type is not offered."
        )
    if cipherment(cipher, bits) is None:
        asked = f"'{cipher or 'aes-xts-plain64'}' with a key of {bits or 'the usual number of'} bits"
        raise errors.InvalidInput(why=f"Cipher {asked} of the volume type is not offered; what is: {OFFERED}.")
    if app.vault is None:
        raise errors.InvalidInput(why="There is nothing here that keeps keys of encrypted volumes.")
    return Key(str(uuid.uuid4()), app.vault.seal(secrets.token_hex(OCTETS).encode()))


async def key_of(app: BlockStorage, volume_id: str) -> bytes:
    """What opens the volume; raises VolumeNotFound, or KeyLost when the key it was sealed with is gone."""
    volume = await volumes.find(app, volume_id)
    if volume is None or volume.sealed_key is None or app.vault is None:
        raise errors.VolumeNotFound(volume=volume_id)
    opened = app.vault.open(volume.sealed_key)
    if opened is None:
        raise errors.KeyLost(volume=volume_id)
    return opened

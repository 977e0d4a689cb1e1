"""Signed images: the signature in an image's properties, checked while its bytes pass.

An image is signed when it has all four properties. Its bytes are checked wherever they go: at the upload, into every store
of an import, and to a host.
"""

import asyncio
import base64
import hashlib
from collections.abc import Mapping, Sequence

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.drivers.signatures import HASHES, KEY_TYPES, NotSigned, PublicKey, check, key_of
from pileus.image.flows.intake import Work, hashing, in_thread
from pileus.image.models.images import Image

VALUE, METHOD = "img_signature", "img_signature_hash_method"
TYPE, CERTIFICATE = "img_signature_key_type", "img_signature_certificate_uuid"


def is_signed(properties: Mapping[str, str]) -> bool:
    """Whether there is a signature to check."""
    return all(name in properties for name in (VALUE, METHOD, TYPE, CERTIFICATE))


class Seal:
    """One image's signature; without one, everything holds."""

    def __init__(self, image: str, method: str, value: bytes, key: PublicKey | None) -> None:
        self._image = image
        self._method = method
        self._value = value
        self._key = key
        self._digest = hashlib.new(HASHES[method][0]) if key is not None else None

    @classmethod
    async def of(cls, app: ImageApp, image: Image) -> "Seal":
        """The image's seal; raises BadSignature when nothing could ever fit it."""
        about = image.properties
        if not is_signed(about):
            return cls(image.id, "", b"", None)
        try:
            if about[METHOD] not in HASHES:
                raise NotSigned(f"{METHOD} must be one of {', '.join(HASHES)}")
            if about[TYPE] not in KEY_TYPES:
                raise NotSigned(f"{TYPE} must be one of {', '.join(KEY_TYPES)}")
            value = base64.b64decode(about[VALUE], validate=True)
            pem = await app.certificates.certificate(about[CERTIFICATE])
            if pem is None:
                raise NotSigned(f"there is no certificate {about[CERTIFICATE]}")
            return cls(image.id, about[METHOD], value, key_of(pem, about[TYPE], app.clock.now(), app.trusted))
        except NotSigned as wrong:
            raise errors.BadSignature(image=image.id, why=wrong) from wrong
        except ValueError as wrong:  # of base64, or of what is beyond ASCII
            raise errors.BadSignature(image=image.id, why=f"{VALUE} is no base64") from wrong

    @property
    def looks(self) -> Sequence[Work]:
        """What looks at bytes that pass; nothing where there is no signature."""
        return () if self._digest is None else (in_thread(hashing(self._digest)),)

    async def feed(self, batch: bytes) -> None:
        """These bytes are next."""
        if self._digest is not None:
            await asyncio.to_thread(self._digest.update, batch)

    def check(self) -> None:
        """What was looked at is what was signed; raises BadSignature."""
        if self._key is None or self._digest is None:
            return
        try:
            check(self._key, self._method, self._value, self._digest.digest())
        except NotSigned as wrong:
            raise errors.BadSignature(image=self._image, why=wrong) from wrong

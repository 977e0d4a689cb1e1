"""What services need of whoever keeps certificates: one, by its reference.

There is no key manager yet; the image service's own folder of certificates keeps this promise meanwhile.
"""

from typing import Protocol


class Certificates(Protocol):
    """Certificates that are known by a reference."""

    async def certificate(self, reference: str) -> bytes | None:
        """The certificate (X.509 in PEM), if there is one of this reference that is to be trusted."""
        ...

"""What a guest may ask about itself at 169.254.169.254: the network knows who asks, compute knows the answer."""

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """What the metadata service says to a guest."""

    status: int
    content_type: str = "text/plain; charset=utf-8"
    body: bytes = b""


class MetadataAnswers(Protocol):
    """Whoever knows what a guest may know about itself."""

    async def answer(
        self, network_id: str, source_ip: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """The answer for the guest that has `source_ip` on the network; header names are lower case. Guests post their password."""
        ...

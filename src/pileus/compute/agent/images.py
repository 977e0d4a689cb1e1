"""Errands of a host: images to be fetched before the servers that will boot from them come.

What came stays where the host keeps images; an errand that is over leaves nothing of its own behind.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping

import msgspec

from pileus.compute.drivers.interface import Image, ImageFormat, ImageShelf, Stored
from pileus.kit.hosts.exchange import Body

ERRAND = "image_fetch"  # the kind of the documents; each is named after the operation that sends the host


class Errand(msgspec.Struct, frozen=True):
    """What to fetch, and what its bytes are if a raw disk is to be made of them."""

    image: str
    stored: Stored | None = None


class Fetched(msgspec.Struct, frozen=True):
    """Whether the image is here."""

    here: bool = False


class ErrandHandler:
    """kit/hosts' Handler of documents of the kind `image_fetch`."""

    def __init__(self, shelf: ImageShelf) -> None:
        self._shelf = shelf
        self._waiting: defaultdict[str, set[str]] = defaultdict(set)

    def wake(self, look_again: Callable[[str, str], None]) -> None:
        """From now on `look_again(kind, id)` is called when an image came, or could not."""

        def came(image: str) -> None:
            for errand in self._waiting.pop(image, ()):
                look_again(ERRAND, errand)

        self._shelf.on_arrival(came)

    async def observe(self) -> Mapping[str, Body]:
        """No errand outlives the agent: it reads anew what there is to fetch."""
        return {}

    async def ensure(self, id: str, body: Body, generation: int) -> Fetched:
        """The image is here, or on its way."""
        errand = msgspec.convert(body, Errand)
        self._waiting[errand.image].add(id)
        return Fetched(here=await self._shelf.keep(Image(errand.image, ImageFormat.RAW, stored=errand.stored)))

    async def ensure_gone(self, id: str) -> None:
        """Nobody waits for the errand any more."""
        for errands in self._waiting.values():
            errands.discard(id)

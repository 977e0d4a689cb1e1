"""Images that are only pretended to be on a host. What servers boot from is looked at all the same, where there are bytes to look at."""

import asyncio
import contextlib
import tempfile
from pathlib import Path

from pileus.compute.drivers.interface import Changed, DriverError, Image
from pileus.compute.drivers.judging import check_fit, judged
from pileus.kit.errors import NotFound, Problem
from pileus.kit.observe.log import log_of
from pileus.ports.image_files import ImageFiles

log = log_of(__name__)


class FakeShelf:
    """Keeps every image at once, unless it is told not to."""

    def __init__(self, images: ImageFiles | None = None) -> None:
        self.here: set[str] = set()
        self.refuses: str | None = None  # why no image comes any more
        self._images = images
        self._judged: dict[Image, int] = {}
        self._looks: dict[Image, asyncio.Lock] = {}

    def on_arrival(self, came: Changed) -> None:
        """Nothing is ever on its way."""

    async def keep(self, image: Image) -> bool:
        """The image is here."""
        if self.refuses is not None:
            raise DriverError(f"Image {image.id} cannot be fetched", self.refuses)
        self.here.add(image.id)
        return True

    async def judge(self, image: Image, room: int) -> None:
        """The image is what it is said to be, refers to nothing else, and fits, as a real host finds out; raises DriverError.

        Its bytes are had for so long only. Where there are none any more nothing is amiss: a pretended disk is made of nothing, and
        a process that begins anew has every server to make anew.
        """
        if self._images is None:
            return
        async with self._looks.setdefault(image, asyncio.Lock()):
            if image not in self._judged:
                self._judged[image] = await self._look(self._images, image) or 0
        check_fit(self._judged[image], room)

    async def _look(self, images: ImageFiles, image: Image) -> int | None:
        with contextlib.ExitStack() as stack:
            folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="pileus-fake-")
            stack.callback(folder.cleanup)
            file = Path(folder.name) / image.id
            try:
                await images.fetch(image.id, file)
            except NotFound as gone:
                log.info("an image is not looked at", image=image.id, why=gone.message)
                return None
            except Problem as failed:
                raise DriverError(f"Image {image.id} cannot be fetched", failed.message) from failed
            return await asyncio.to_thread(judged, file, image)

"""Images on this host, as files that disks can be laid over: raw, or qcow2.

    fetch -> cache/images/<id> [-> judge and convert -> cache/images/<id>.raw]

An image is fetched, and made a raw disk, once however many servers wait for it, and appears under its name only when whole.
What it was made of is not kept.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path

from pileus.compute.drivers.interface import DriverError, Image
from pileus.compute.drivers.judging import judged
from pileus.kit.disk_images import NotConverted, make_raw
from pileus.kit.flow.failpoint import failpoint
from pileus.ports.image_files import ImageFiles

Work = Coroutine[None, None, None]


class ImageCache:
    """Copies of images on this host."""

    def __init__(self, path: Path, images: ImageFiles) -> None:
        self._path = path
        self._images = images
        self._works: dict[str, asyncio.Task[None]] = {}
        self._came: Callable[[str], None] = lambda image: None
        self._judged: dict[Image, int] = {}

    def here(self, image: Image) -> Path | None:
        """The image's file, if it was made before."""
        file = self._file(image)
        return file if file.exists() else None

    def ready(self, image: Image, room: int, then: Callable[[], None]) -> Path | None:
        """The image's file; or None, and it is being fetched or converted, and `then` is called when that ended. `room`: so many
        bytes its disk may have; 0: as many as there is room for here.

        Raises what the last try failed with, once; to ask again is to try again.
        """
        if (file := self.here(image)) is not None:
            return file
        fetched = self._fetched(image.id, then)
        if fetched is None or not image.converted:
            return fetched
        return self._made(
            f"{image.id} of {room}",
            self._file(image),
            lambda: self._convert(image, fetched, room),
            f"Image {image.id} cannot be made a raw disk",
            then,
        )

    async def holds(self, image: Image) -> int:
        """How many bytes the image's disk has. Its file, which is here, is what it is said to be, and reads no other file; raises
        DriverError."""
        if image.converted:
            return self._file(image).stat().st_size
        if image not in self._judged:
            self._judged[image] = await asyncio.to_thread(judged, self._file(image), image)
        return self._judged[image]

    def on_arrival(self, came: Callable[[str], None]) -> None:
        """From now on `came(image)` is called when an image that was asked for by `keep` is here, or could not come."""
        self._came = came

    async def keep(self, image: Image) -> bool:
        """The image is here (True), or on its way."""
        return self.ready(image, 0, lambda: self._came(image.id)) is not None

    async def close(self) -> None:
        """No fetch goes on, and nothing is converted."""
        tasks = [task for task in self._works.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _file(self, image: Image) -> Path:
        return self._path / (f"{image.id}.raw" if image.converted else image.id)

    def _fetched(self, id: str, then: Callable[[], None]) -> Path | None:
        file = self._path / id
        return self._made(id, file, lambda: self._fetch(id, file), f"Image {id} cannot be fetched", then)

    def _made(
        self, name: str, file: Path, make: Callable[[], Work], failure: str, then: Callable[[], None]
    ) -> Path | None:
        """The file; or None, and it is being made, and `then` is called when that ended."""
        task = self._works.get(name)
        if task is not None and task.done():
            del self._works[name]
            failed = task.exception()
            if failed is not None and not file.exists():
                refused = isinstance(failed, DriverError)
                raise failed if refused else DriverError(failure, str(failed) or type(failed).__name__) from failed
            task = None  # what it made may have been taken away since
        if file.exists():
            return file
        if task is None:
            task = self._works[name] = asyncio.create_task(make(), name=f"image {name}")
            # Told to whoever asks next; if nobody does any more, asyncio need not complain of it.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        task.add_done_callback(lambda _: then())
        return None

    async def _fetch(self, id: str, file: Path) -> None:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = file.with_name(f".{id}.part")
        part.unlink(missing_ok=True)
        self._judged = {one: holds for one, holds in self._judged.items() if one.id != id}
        try:
            failpoint("image.fetch", "begun")
            await self._images.fetch(id, part)
            failpoint("image.fetch", "fetched")
            await asyncio.to_thread(_settle, part, file)
            failpoint("image.fetch", "kept")
        finally:
            part.unlink(missing_ok=True)

    async def _convert(self, image: Image, fetched: Path, room: int) -> None:
        await asyncio.to_thread(judged, fetched, image)
        file = self._file(image)
        part = file.with_name(f".{file.name}.{room}.part")
        try:
            failpoint("image.convert", "begun")
            free = shutil.disk_usage(self._path).free
            await make_raw(fetched, part, image.claim, min(room, free) if room else free)
            failpoint("image.convert", "converted")
            await asyncio.to_thread(_settle, part, file)
            failpoint("image.convert", "kept")
        except NotConverted as failed:
            raise DriverError(f"Image {image.id} is refused by this host", str(failed)) from failed
        finally:
            part.unlink(missing_ok=True)
        fetched.unlink(missing_ok=True)


def _settle(part: Path, file: Path) -> None:
    """The whole file has its name, on the disk too."""
    # Readable by every server's user; only who may search a directory with a link to it can reach it.
    part.chmod(0o444)
    with part.open("rb") as whole:
        os.fsync(whole.fileno())
    part.rename(file)
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

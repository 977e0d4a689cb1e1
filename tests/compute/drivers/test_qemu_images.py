"""Copies of images on a host: fetched once, again when they were taken away, and a failure is told once."""

import asyncio
from pathlib import Path

import pytest

from pileus.compute.drivers.interface import DriverError, Image, ImageFormat, Stored
from pileus.compute.drivers.qemu.images import ImageCache
from pileus.kit.timely import timely

ONE = Image("one", ImageFormat.RAW)


class Store:
    """An image service of one image, which may be out of order."""

    def __init__(self) -> None:
        self.fetched = 0
        self.broken = False
        self.content = b"bytes"

    async def fetch(self, image_id: str, destination: Path) -> None:
        self.fetched += 1
        if self.broken:
            raise OSError("the store is away")
        destination.write_bytes(self.content)


async def ready(cache: ImageCache, image: Image = ONE, room: int = 0) -> Path:
    """The image's file, once it is here."""
    while True:
        came = asyncio.Event()
        file = cache.ready(image, room, came.set)
        if file is not None:
            return file
        await timely(came.wait(), 60)


async def test_a_copy_that_was_taken_away_is_fetched_again(tmp_path: Path) -> None:
    store = Store()
    cache = ImageCache(tmp_path / "images", store)
    for times in (1, 2, 3):
        file = await ready(cache)
        assert (times, b"bytes") == (store.fetched, file.read_bytes())
        assert (times, file) == (store.fetched, await ready(cache))
        file.unlink()


async def test_a_fetch_that_failed_is_told_once_and_tried_again(tmp_path: Path) -> None:
    store = Store()
    cache = ImageCache(tmp_path / "images", store)
    store.broken = True
    with pytest.raises(DriverError, match="the store is away"):
        await ready(cache)
    store.broken = False
    assert b"bytes" == (await ready(cache)).read_bytes()


async def test_what_is_not_what_it_is_said_to_be_is_refused_before_a_program_sees_it(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path / "images", Store())
    for stored in (Stored.VMDK, Stored.VDI, Stored.VHD, Stored.VHDX):
        image = Image("one", ImageFormat.RAW, stored=stored)
        with pytest.raises(DriverError, match=f"is refused by this host: it should be {stored}, and is"):
            await ready(cache, image)
        assert cache.here(image) is None
    disc = Image("one", ImageFormat.RAW, stored=Stored.ISO)
    assert await ready(cache, disc) == cache.here(disc)
    with pytest.raises(DriverError, match="it should be iso, and is raw"):
        await cache.holds(disc)
    assert ["one"] == [file.name for file in (tmp_path / "images").iterdir()]

"""Copies of images on a host: fetched once, again when they were taken away, and a failure is told once."""

import asyncio
from pathlib import Path

import pytest

from pileus.compute.drivers.interface import DriverError
from pileus.compute.drivers.qemu.disks import ImageCache
from pileus.kit.timely import timely


class Store:
    """An image service of one image, which may be out of order."""

    def __init__(self) -> None:
        self.fetched = 0
        self.broken = False

    async def fetch(self, image_id: str, destination: Path) -> None:
        self.fetched += 1
        if self.broken:
            raise OSError("the store is away")
        destination.write_bytes(b"bytes")


async def ready(cache: ImageCache) -> Path:
    """The image's file, once it is here."""
    while True:
        came = asyncio.Event()
        file = cache.ready("one", came.set)
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

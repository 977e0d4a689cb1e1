"""Fsyncs that several share: each of them gets what became of his own, and goes on only when it is durable."""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.object_store.disk.syncs import MOST, Steps, Syncs, alone
from pileus.object_store.disk.syscalls import append
from pileus.object_store.storage.crowds import Crowd
from pileus.object_store.storage.threads import Threads


@pytest.fixture(params=["at once", "one after another"])
def syncs(request: pytest.FixtureRequest) -> Iterator[Syncs]:
    found = Syncs()
    if request.param != "at once":
        found.close()  # as on a machine that cannot do it at once
    yield found
    found.close()


def writing(path: Path, log: list[str], steps: int = 2) -> Steps[str]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for number in range(steps):
            os.write(descriptor, b"x" * 5000)
            log.append(f"{path.name} {number}")
            yield descriptor
    finally:
        os.close(descriptor)
    return path.name


def test_all_wait_for_the_disk_together_step_by_step(tmp_path: Path, syncs: Syncs) -> None:
    log: list[str] = []
    count = MOST + 3
    assert [f"{at}" for at in range(count)] == syncs.together([writing(tmp_path / f"{at}", log) for at in range(count)])
    assert [f"{at} {step}" for step in range(2) for at in range(count)] == log
    assert {10_000} == {path.stat().st_size for path in tmp_path.iterdir()}


def test_what_one_cannot_do_is_nobody_elses_trouble(tmp_path: Path, syncs: Syncs) -> None:
    reading, writable = os.pipe()  # what cannot be fsynced

    def failing() -> Steps[str]:
        try:
            yield writable
        except OSError as failed:
            return errno.errorcode[failed.errno or 0]
        return "durable"

    def raising() -> Steps[str]:
        yield from writing(tmp_path / "raising", [], 1)
        raise KeyError("his own")

    try:
        found = syncs.together([writing(tmp_path / "a", []), failing(), raising(), writing(tmp_path / "b", [], 3)])
        assert "EINVAL" == alone(failing())
    finally:
        os.close(reading)
        os.close(writable)
    assert ["a", "EINVAL", "b"] == [one for one in found if isinstance(one, str)]
    assert isinstance(found[2], KeyError)
    assert [] == syncs.together([])


def test_pieces_are_written_behind_one_another_however_many_and_whatever_a_call_takes() -> None:
    pieces = [b"", *(bytes([at % 251]) * at for at in range(600)), b""]
    reading, writing = os.pipe()  # which takes a little at a time
    found = bytearray()

    def read() -> None:
        while more := os.read(reading, 5000):
            found.extend(more)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        append(writing, pieces)
    finally:
        os.close(writing)
        reader.join(60)
        os.close(reading)
    assert b"".join(pieces) == bytes(found)
    append(-1, [])


async def test_a_crowd_gives_each_what_became_of_his(tmp_path: Path) -> None:
    threads = Threads(2, "of a crowd")
    crowd = Crowd(threads)

    def one(at: int) -> Steps[None]:
        yield from writing(tmp_path / f"{at}", [], 1)
        if at % 3 == 0:
            raise LookupError(at)

    try:
        left_out = one(99)
        gone = asyncio.ensure_future(crowd.do(left_out))
        work = [asyncio.ensure_future(crowd.do(one(at))) for at in range(50)]
        await asyncio.sleep(0)
        gone.cancel()
        async with asyncio.timeout(60):
            found = await asyncio.gather(*work, return_exceptions=True)
            await crowd.do(one(100))
        assert [at if at % 3 == 0 else None for at in range(50)] == [
            one.args[0] if isinstance(one, LookupError) else one for one in found
        ]
        assert {f"{at}" for at in (*range(50), 100)} == {path.name for path in tmp_path.iterdir()} - {"99"}
    finally:
        threads.close()
        crowd.close()

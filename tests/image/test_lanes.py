"""Bytes on their way in: looked at and written side by side, piece after piece."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from pileus.image.drivers.file import FileStore
from pileus.image.flows.intake import AHEAD, BATCH, Behind, gathered, in_thread

PIECE = bytes(range(256)) * 4096


async def test_who_is_faster_does_not_wait_for_who_is_slower() -> None:
    begun, seen, slow = asyncio.Event(), list[int](), asyncio.Event()

    async def quick(pieces: Sequence[bytes]) -> None:
        seen.extend(map(len, pieces))
        if len(seen) >= 3:
            slow.set()

    async def waits(pieces: Sequence[bytes]) -> None:
        begun.set()
        await slow.wait()

    async with asyncio.timeout(60), Behind(quick, waits) as behind:
        for size in (1, 2, 3):
            await behind.give([b"x" * size], size)
        await begun.wait()
    assert [1, 2, 3] == seen


async def test_no_more_than_a_little_waits_for_who_is_slow() -> None:
    taken, go_on, most = 0, asyncio.Semaphore(0), 0

    async def slow(pieces: Sequence[bytes]) -> None:
        nonlocal taken
        await go_on.acquire()
        taken += sum(map(len, pieces))

    given = 0
    async with asyncio.timeout(60), Behind(slow) as behind:
        for _ in range(10):
            give = asyncio.create_task(behind.give([PIECE], len(PIECE)))
            await asyncio.sleep(0)
            while not give.done():
                go_on.release()
                await asyncio.sleep(0)
            given += len(PIECE)
            most = max(most, given - taken)
        for _ in range(10):
            go_on.release()
    assert given == taken
    assert most <= AHEAD + len(PIECE)


@pytest.mark.parametrize("kind", [ValueError, OSError])
async def test_what_fails_is_raised_and_nothing_is_at_work_any_more(kind: type[Exception]) -> None:
    def fails(pieces: Sequence[bytes]) -> None:
        raise kind("no")

    done = 0

    async def counts(pieces: Sequence[bytes]) -> None:
        nonlocal done
        done += len(pieces)

    with pytest.raises(kind, match="no"):
        async with asyncio.timeout(60), Behind(in_thread(fails), counts) as behind:
            for _ in range(1000):
                await behind.give([PIECE], len(PIECE))
    assert 1 <= done < 1000


async def test_pieces_are_gathered_as_they_are() -> None:
    async def small() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield PIECE[: BATCH // 2]

    found = [(len(pieces), size) async for pieces, size in gathered(small())]
    assert [(2, BATCH), (2, BATCH), (1, BATCH // 2)] == found


async def test_a_file_is_its_pieces_and_zeros_take_no_room(tmp_path: Path) -> None:
    pieces = [os.urandom(700) for _ in range(1500)]  # more than one call takes
    pieces += [bytes(1 << 20), b"a" + bytes(1 << 20), bytes(1 << 16), bytes((1 << 16) - 1), bytes(3 << 20)]
    store = FileStore(tmp_path)
    incoming = await store.create("one")
    for start in range(0, len(pieces), 1400):
        await incoming.write(pieces[start : start + 1400])
    await incoming.keep()
    file = tmp_path / "one"
    assert b"".join(pieces) == file.read_bytes()
    assert file.stat().st_blocks * 512 < file.stat().st_size - (3 << 20)

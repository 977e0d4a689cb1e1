"""Pieces of a body that are worked on behind those who receive them: in order, all of them, and never far behind."""

import asyncio
from collections.abc import Sequence

import pytest

from pileus.object_store.proxy.behind import ROOM, Behind

PIECE = b"x" * (ROOM // 4)


async def test_all_pieces_are_worked_on_in_order_and_no_more_than_the_room_waits() -> None:
    done: list[int] = []
    given = most = 0

    async def work(pieces: Sequence[bytes]) -> None:
        nonlocal most
        most = max(most, given - len(done))
        await asyncio.sleep(0)
        done.extend(piece[0] for piece in pieces)

    behind = Behind(work)
    for at in range(100):
        given += 1
        await behind.add(bytes([at]) + PIECE[1:])
    await behind.flush()
    assert list(range(100)) == done
    assert most <= 5
    await behind.flush()


async def test_what_the_work_raises_is_raised_where_the_next_piece_is_given_or_at_the_end() -> None:
    async def work(pieces: Sequence[bytes]) -> None:
        raise LookupError(len(pieces))

    behind = Behind(work)
    await behind.add(b"1")
    with pytest.raises(LookupError):
        async with asyncio.timeout(60):
            while True:
                await behind.add(PIECE)
                await asyncio.sleep(0)
    await behind.add(b"2")
    with pytest.raises(LookupError):
        await behind.flush()
    await behind.drop()


async def test_what_is_dropped_waits_for_what_is_under_way_and_begins_nothing_more() -> None:
    free, done = asyncio.Event(), []

    async def work(pieces: Sequence[bytes]) -> None:
        await free.wait()
        done.append(b"".join(pieces))

    behind = Behind(work)
    await behind.add(b"1")
    await asyncio.sleep(0)  # it is begun
    await behind.add(b"2")
    dropping = asyncio.create_task(behind.drop())
    await asyncio.sleep(0)
    assert not dropping.done()
    free.set()
    async with asyncio.timeout(60):
        await dropping
    assert [b"1"] == done

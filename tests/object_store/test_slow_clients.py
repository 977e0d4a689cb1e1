"""Slow clients, over real connections: they are given up as configured, and meanwhile cost no memory."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.object_store.world import ACCOUNT, Service

from pileus.kit.http.server import Granian, free_port, until_listening

pytestmark = [pytest.mark.host, pytest.mark.timeout(240)]
DEADLINE_S = 120.0
LARGE = 256 << 20


@contextlib.asynccontextmanager
async def served(folder: Path, *, headers_s: float = 30.0, **options: Any) -> AsyncIterator[tuple[Service, int]]:
    """Object storage behind a listener of its own."""
    service = Service(folder, **options)
    port = free_port()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await service.api(scope, receive, send)

    listener = Granian(answer, "127.0.0.1", port, headers_s=headers_s)
    serving = asyncio.create_task(listener.serve())
    try:
        await until_listening("127.0.0.1", port, DEADLINE_S)
        yield service, port
    finally:
        listener.stop()
        await serving
        await service.close()


def head(method: str, path: str, length: int) -> bytes:
    """The head of a request."""
    lines = (
        f"{method} /object-store{ACCOUNT}/{path} HTTP/1.1",
        "Host: x",
        "X-Auth-Token: alice",
        f"Content-Length: {length}",
    )
    return "\r\n".join((*lines, "", "")).encode()


async def test_who_stops_sending_a_body_gets_408_and_nothing_is_kept(tmp_path: Path) -> None:
    async with asyncio.timeout(DEADLINE_S), served(tmp_path, client_timeout_s=0.5) as (service, port):
        await service.put("c", b"")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head("PUT", "c/o", 200_000) + b"x" * 100_000)
        answer = await reader.read()  # to the end: the connection is closed
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 "), answer
        assert 404 == (await service.ask("GET", "c/o")).status
        assert [] == [one for one in service.files() if "/tmp/" in one or one.endswith(".data")]


async def test_who_trickles_a_body_gets_408(tmp_path: Path) -> None:
    options = {"client_timeout_s": 1.0, "client_least_rate": 100_000.0}
    async with asyncio.timeout(DEADLINE_S), served(tmp_path, **options) as (service, port):
        await service.put("c", b"")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head("PUT", "c/o", 1_000_000))
        answered = asyncio.create_task(reader.read())
        while not answered.done():
            writer.write(b"x")
            await asyncio.wait({answered}, timeout=0.05)
        writer.close()
        assert answered.result().startswith(b"HTTP/1.1 408 "), answered.result()


async def test_who_does_not_end_the_headers_is_disconnected(tmp_path: Path) -> None:
    async with asyncio.timeout(DEADLINE_S), served(tmp_path, headers_s=0.5) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        ended = asyncio.create_task(reader.read())
        with contextlib.suppress(ConnectionError):
            while not ended.done():
                writer.write(b"A: b\r\n")
                await writer.drain()
                await asyncio.wait({ended}, timeout=0.05)
        writer.close()
        with contextlib.suppress(ConnectionError):
            assert b"200" not in await ended


def resident() -> int:
    """Bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_who_does_not_read_costs_no_memory_and_is_given_up(tmp_path: Path) -> None:
    async with asyncio.timeout(DEADLINE_S), served(tmp_path, client_timeout_s=3.0) as (service, port):
        await service.put("c", b"")
        block = bytes(1 << 20)
        messages = [{"type": "http.request", "body": block, "more_body": at < LARGE >> 20} for at in range(LARGE >> 20)]
        messages.append({"type": "http.request", "body": b"", "more_body": False})
        assert 201 == (await service.ask("PUT", "c/o", messages=messages, length=LARGE)).status
        before = resident()
        readers = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
            writer.write(head("GET", "c/o", 0))
            readers.append((reader, writer))
            assert b"200" in await reader.readline()
        most = 0
        for _, writer in readers:
            transport: Any = writer.transport
            transport.pause_reading()
        descriptors = Path("/proc/self/fd")

        def reading() -> bool:
            """Whether the object is open somewhere."""
            for one in descriptors.iterdir():
                with contextlib.suppress(OSError):  # closed meanwhile
                    if os.readlink(one).endswith(".data"):
                        return True
            return False

        while reading():
            most = max(most, resident())
            await asyncio.sleep(0.05)
        assert most - before < 64 << 20, (before, most)
        for reader, writer in readers:
            transport = writer.transport
            transport.resume_reading()
            got = 0
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(1 << 20):
                    got += len(chunk)
            writer.close()
            assert got < LARGE, "the connection is closed early, so nobody takes a part for the whole"

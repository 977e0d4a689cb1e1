"""Clients that do not take what they asked for, over real connections: nothing is kept for them, and nobody waits for them."""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.kit.http.pace import Pace
from pileus.kit.http.peers import SLICE, Unwanted, hang_up, way_of, ways
from pileus.kit.http.send import send_chunks
from pileus.kit.http.server import LISTENERS, free_port, until_listening
from pileus.main.certificates import ensure_leaf
from pileus.main.state import State

pytestmark = [pytest.mark.host, pytest.mark.timeout(240)]
DEADLINE_S = 120.0
CHUNK = bytes(1 << 18)
ASKED = b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1:7\r\n\r\n"


async def endless() -> AsyncIterator[bytes]:
    """More than any client takes."""
    while True:
        yield CHUNK


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """An application whose answers never end, but for clients that take nothing for a second."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send_chunks(endless(), Pace(idle_s=1.0, least=500.0).sending(send), receive)


def here(port: int) -> int:
    """How many connections the server has."""
    return sum(1 for _, way in ways() if way is not None and way[1] == port)


async def connected(address: str, port: int, buffer: int = 4096) -> socket.socket:
    """A connection that holds little of what nobody reads."""
    client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, (address, port))
    return client


async def asked(address: str, port: int) -> socket.socket:
    """A connection over which an answer has begun to come."""
    client = await connected(address, port)
    await asyncio.get_running_loop().sock_sendall(client, ASKED)
    assert b"HTTP" == await asyncio.get_running_loop().sock_recv(client, 4)
    return client


async def asked_tls(address: str, port: int) -> socket.socket:
    """The same over TLS; only what is needed to ask is read."""
    loop = asyncio.get_running_loop()
    client = await connected(address, port)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    come, gone = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(come, gone)
    while True:
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            await loop.sock_sendall(client, gone.read())
            come.write(await loop.sock_recv(client, 4096))
        else:
            break
    session.write(ASKED)
    await loop.sock_sendall(client, gone.read())
    return client


@contextlib.asynccontextmanager
async def serving(kind: str, address: str, port: int, *tls: object) -> AsyncIterator[None]:
    """A listener that answers; it has stopped, whatever its clients did not read."""
    listener = LISTENERS[kind](answer, address, port, *tls)
    async with asyncio.timeout(DEADLINE_S):
        served = asyncio.create_task(listener.serve())
        await until_listening(address, port, DEADLINE_S)
        yield
        listener.stop()
        await served


@pytest.mark.parametrize("kind", sorted(LISTENERS))
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_who_reads_nothing_or_a_byte_now_and_then_is_disconnected(
    kind: str, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    with caplog.at_level(logging.WARNING):
        async with serving(kind, address, port):
            silent, trickling = await asked(address, port), await asked(address, port)
            while here(port):
                with contextlib.suppress(ConnectionError):
                    await asyncio.get_running_loop().sock_recv(trickling, 1)
                await asyncio.sleep(0.05)
        # Both are there still, and have more to read; and nobody waited for them.
        silent.close()
        trickling.close()
    assert [] == [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("kind", sorted(LISTENERS))
async def test_who_reads_nothing_of_what_is_encrypted_is_disconnected(kind: str, tmp_path: Path) -> None:
    port, state = free_port(), State(tmp_path)
    state.create()
    async with serving(kind, "127.0.0.1", port, ensure_leaf(state, "server", ["127.0.0.1"])):
        silent = await asked_tls("127.0.0.1", port)
        while here(port):
            await asyncio.sleep(0.05)
    silent.close()


@contextlib.contextmanager
def pairs(count: int) -> Iterator[tuple[int, list[socket.socket]]]:
    """The port of a listener for IPv6 and IPv4, and connections to it from IPv4: those who asked first, then the ones accepted."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET6))
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", 0))
        listener.listen(count)
        port = listener.getsockname()[1]
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(count)]
        accepted = [stack.enter_context(listener.accept()[0]) for _ in clients]
        yield port, clients + accepted


async def test_only_the_one_connection_is_reset_however_its_address_is_spelled() -> None:
    for spelled in ("127.0.0.1", "::ffff:127.0.0.1"):
        with pairs(3) as (port, (first, second, third, *_)):
            assert 1 == await hang_up({way_of(spelled, second.getsockname()[1], port)})
            assert b"" == second.recv(1)
            for other in (first, third):
                other.setblocking(False)
                with pytest.raises(BlockingIOError):
                    other.recv(1)
            assert 0 == await hang_up({way_of(spelled, first.getsockname()[1], port + 1)})


async def test_one_look_at_all_descriptors_serves_everybody_who_is_given_up_meanwhile() -> None:
    with contextlib.ExitStack() as stack, pairs(50) as (port, sockets):
        for _ in range(3 * SLICE):  # so that the look has to make pauses
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        clients = sockets[:50]
        unwanted, turns = Unwanted(), 0
        asking = [asyncio.create_task(unwanted.hang_up(way_of(*c.getsockname(), port))) for c in clients]
        while not all(task.done() for task in asking):
            await asyncio.sleep(0)
            turns += 1
        assert [b""] * 50 == [client.recv(1) for client in clients]
        assert 3 <= turns < 120  # others had their turns, and it was not one look, of three pauses at least, for each
        await asyncio.gather(*asking)

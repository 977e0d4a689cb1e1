"""The metadata door answers what it should and refuses the rest, whatever a guest sends."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping

import pytest

from pileus.network.drivers.interface import Answer
from pileus.network.drivers.metadata_http import MetadataServer, parse


class Answers:
    async def answer(
        self, network_id: str, source_ip: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        if path == "/broken":
            raise RuntimeError("on purpose")
        if path == "/gone":
            return Answer(404, body=b"no such thing")
        return Answer(200, body=f"{network_id} {source_ip} {path} {headers.get('x-a')}".encode())


@contextlib.asynccontextmanager
async def door() -> AsyncIterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    server = MetadataServer("net", Answers())
    await server.start(listening)
    try:
        yield listening.getsockname()[1]
    finally:
        await server.close()


async def said(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_answers_who_asks_from_where() -> None:
    async with door() as port:
        whole = await said(port, b"GET /openstack HTTP/1.1\r\nX-A: b\r\n\r\n")
    assert whole.startswith(b"HTTP/1.1 200 OK\r\n")
    assert whole.endswith(b"\r\n\r\nnet 127.0.0.1 /openstack b")


async def test_head_has_a_length_and_no_body() -> None:
    async with door() as port:
        whole = await said(port, b"HEAD /gone HTTP/1.0\r\n\r\n")
    assert b"Content-Length: 13\r\n" in whole
    assert whole.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"PUT / HTTP/1.1\r\n\r\n", b"405"),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", b"400"),
        (b"\x16\x03\x01 hello\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20000 + b"\r\n\r\n", b"431"),
        (b"GET /broken HTTP/1.1\r\n\r\n", b"500"),
        (b"GET /gone HTTP/1.1\r\n\r\n", b"404"),
    ],
)
async def test_refuses_and_goes_on(sent: bytes, status: bytes) -> None:
    async with door() as port:
        try:
            first = await said(port, sent)
        except ConnectionResetError:  # What was not read of too long a head may reset the connection.
            first = b"HTTP/1.1 431"
        assert status == first.split(b" ")[1]
        assert (await said(port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")


def test_header_names_are_lower_case() -> None:
    assert {"x-forwarded-for": "1.2.3.4"} == parse(b"GET / HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n").headers

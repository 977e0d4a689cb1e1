"""Consoles: what was printed, and ways in that are good once."""

import asyncio
from typing import Any
from urllib.parse import unquote

from tests.compute.world import World, a_world

from pileus.compute.drivers.interface import ConsoleKind
from pileus.compute.manifest import console_socket
from pileus.kit.http.socket import Socket


class Browser:
    """The other end of a WebSocket, in memory."""

    def __init__(self, query: str) -> None:
        self.to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.from_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {
            "path": "/console/websocket", "query_string": query.encode(), "headers": [], "subprotocols": ["binary"],
        }  # fmt: skip
        self.socket = Socket(scope, self.to_server.get, self._send)

    async def _send(self, message: Any) -> None:
        await self.from_server.put(message)

    async def type(self, text: bytes) -> None:
        await self.to_server.put({"type": "websocket.receive", "bytes": text})

    async def leave(self) -> None:
        await self.to_server.put({"type": "websocket.disconnect"})


async def token_for(world: World, id: str, protocol: str, kind: str) -> tuple[str, str]:
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    answered = await world.ask("POST", f"/v2.1/servers/{id}/remote-consoles", body, at="2.6")
    assert 200 == answered.status, answered.body
    url = answered.body["remote_console"]["url"]
    return url, unquote(url).rpartition("token=")[2]


async def test_the_end_of_the_console_is_shown() -> None:
    async with a_world() as world:
        id = await world.boot()
        world.drivers["h1"].print(id, "\none\ntwo\n")
        answered = await world.act(id, os_getConsoleOutput={"length": 1})
        assert (200, {"output": "two\n"}) == (answered.status, answered.body)
        for body in (None, {}, {"length": None}, {"length": -1}, {"length": "50"}):
            assert (await world.act(id, os_getConsoleOutput=body)).body["output"].endswith("one\ntwo\n")
        new = (await world.create()).body["server"]["id"]
        assert 409 == (await world.act(new, os_getConsoleOutput={})).status


async def test_a_pretended_screen_lets_a_viewer_in() -> None:
    async with a_world() as world:
        id = await world.boot()
        reader, writer = await world.drivers["h1"].open(id, ConsoleKind.VNC)
        assert b"RFB 003.008\n" == await reader.readexactly(12)
        writer.write(b"RFB 003.008\n")
        assert b"\x01\x01" == await reader.readexactly(2)
        writer.write(b"\x01")
        assert bytes(4) == await reader.readexactly(4)
        writer.write(b"\x01")
        assert b"one" == (await reader.readexactly(24 + 3))[24:]
        writer.close()


async def test_a_way_to_the_screen_is_good_once() -> None:
    async with a_world() as world:
        id = await world.boot()
        url, token = await token_for(world, id, "vnc", "novnc")
        assert url.startswith("http://cloud:1/console/vnc_auto.html?path=console/websocket%3Ftoken%3D")
        shown = await world.ask("GET", f"/v2.1/os-console-auth-tokens/{token}", by="root", at="2.31")
        assert (id, "h1") == (shown.body["console"]["instance_uuid"], shown.body["console"]["host"])
        browser = Browser(f"token={token}")
        talk = asyncio.create_task(console_socket(world.app, browser.socket))
        assert "websocket.accept" == (await browser.from_server.get())["type"]
        assert b"RFB 003.008\n" == (await browser.from_server.get())["bytes"]
        await browser.type(b"RFB 003.008\n")
        assert b"\x01\x01" == (await browser.from_server.get())["bytes"]
        await browser.leave()
        await talk
        again = Browser(f"token={token}")
        await console_socket(world.app, again.socket)
        assert 1008 == (await again.from_server.get())["code"]
        path = f"/v2.1/os-console-auth-tokens/{token}"
        # Until 2.30 they told of consoles by RDP only, of which there are none any more.
        for version, status in (("2.30", 400), ("2.31", 404), ("2.104", 404)):
            assert status == (await world.ask("GET", path, by="root", at=version)).status


async def test_the_serial_line_is_a_websocket_address() -> None:
    async with a_world() as world:
        id = await world.boot()
        url, token = await token_for(world, id, "serial", "serial")
        assert url == f"ws://cloud:1/console/websocket?token={token}"
        old = await world.act(id, os_getVNCConsole={"type": "novnc"})
        assert (200, "novnc") == (old.status, old.body["console"]["type"])
        assert 200 == (await world.act(id, os_getSerialConsole={"type": "serial"})).status
        assert 400 == (await world.act(id, at="2.6", os_getVNCConsole={"type": "novnc"})).status


async def test_tokens_expire_and_do_not_outlive_the_server() -> None:
    async with a_world() as world:
        id = await world.boot()
        _, token = await token_for(world, id, "serial", "serial")
        world.clock.move(601)
        late = Browser(f"token={token}")
        await console_socket(world.app, late.socket)
        assert 1008 == (await late.from_server.get())["code"]
        await world.settle()
        _, token = await token_for(world, id, "serial", "serial")
        await world.ask("DELETE", f"/v2.1/servers/{id}")
        await world.settle()
        gone = Browser(f"token={token}")
        await console_socket(world.app, gone.socket)
        assert 1008 == (await gone.from_server.get())["code"]


async def test_consoles_that_cannot_be_had_are_refused() -> None:
    async with a_world() as world:
        id = await world.boot()
        body = {"remote_console": {"protocol": "spice", "type": "spice-html5"}}
        answered = await world.ask("POST", f"/v2.1/servers/{id}/remote-consoles", body, at="2.6")
        assert (400, "Unavailable console type spice-html5.") == (
            answered.status, answered.body["badRequest"]["message"],
        )  # fmt: skip
        await world.act(id, os_stop=None)
        await world.settle()
        body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
        assert 409 == (await world.ask("POST", f"/v2.1/servers/{id}/remote-consoles", body, at="2.6")).status


async def test_what_is_in_the_database_is_no_token() -> None:
    async with a_world() as world:
        id = await world.boot()
        _, token = await token_for(world, id, "serial", "serial")
        from pileus.compute.models.consoles import hashed

        assert (
            404
            == (await world.ask("GET", f"/v2.1/os-console-auth-tokens/{hashed(token)}", by="root", at="2.31")).status
        )

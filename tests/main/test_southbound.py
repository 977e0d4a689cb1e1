"""Who is a host gets to the southbound database, as himself; who is none, or is none any more, does not."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.ports import free_port

from pileus.kit.hosts.wire import Peer, peer_of
from pileus.main.certificates import Certificate, ensure_leaf
from pileus.main.host_certificates import ensure_key, request_for, sign
from pileus.main.southbound import SouthboundDoor, inner_address
from pileus.main.state import State


class World:
    """A door, a relay behind it that says by which name it knows the caller, and who is a host."""

    def __init__(self, path: Path) -> None:
        self.state = State(path)
        self.state.create()
        self.own = ensure_leaf(self.state, "hosts", ["127.0.0.1"])
        self.port = free_port()
        self.hosts: set[str] = set()
        self.met: list[Peer] = []

    async def admits(self, peer: Peer) -> bool:
        return peer.serial in self.hosts

    def host(self, name: str) -> Certificate:
        """A host that joined."""
        key = self.state / f"{name}.key"
        ensure_key(key)
        signed = sign(self.state, request_for(name, key), name)
        (self.state / f"{name}.pem").write_text(signed.certificate)
        self.hosts.add(signed.serial.lower().lstrip("0"))
        return Certificate(str(self.state / f"{name}.pem"), str(key), self.own.authority)

    async def reach(self, who: Certificate | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of a host through the door."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.load_verify_locations(self.own.authority)
        if who is not None:
            tls.load_cert_chain(who.certificate, who.key)
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.met.append(peer_of(writer))
        while line := await reader.readline():
            writer.write(peer_of(writer).name.encode() + b" said " + line)
        writer.close()


@asynccontextmanager
async def world(path: Path) -> AsyncIterator[World]:
    made = World(path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(made.own.authority)
    tls.load_cert_chain(made.own.certificate, made.own.key)
    relay = await asyncio.start_server(made.relay, "127.0.0.9", made.port, ssl=tls)
    door = SouthboundDoor(made.state, made.admits, look_every_s=0.05)
    await door.open("127.0.0.1", made.port, made.own, "127.0.0.9")
    try:
        yield made
    finally:
        await door.close()
        relay.close()


async def said(pair: tuple[asyncio.StreamReader, asyncio.StreamWriter], line: bytes) -> bytes:
    reader, writer = pair
    try:
        writer.write(line)
        async with asyncio.timeout(20):
            return await reader.readline()
    except OSError:
        return b""


async def closed(pair: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    pair[1].close()
    await asyncio.gather(pair[1].wait_closed(), return_exceptions=True)


async def test_a_host_is_known_to_the_relay_by_its_own_name(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        one, other = await w.reach(w.host("b")), await w.reach(w.host("c"))
        assert b"b said hello\n" == await said(one, b"hello\n")
        assert b"c said hello\n" == await said(other, b"hello\n")
        # What the door shows the relay is no host's certificate: it opens nothing else.
        assert not w.hosts & {peer.serial for peer in w.met}
        await closed(one)
        await closed(other)


async def test_who_is_no_host_does_not_get_to_the_relay(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        host = w.host("b")
        w.hosts.clear()
        pair = await w.reach(host)
        assert b"" == await said(pair, b"hello\n")
        await closed(pair)
        # One without any certificate is told so in the handshake, or as soon as it says something.
        try:
            nobody = await w.reach(None)
        except OSError:
            nobody = None
        if nobody is not None:
            assert b"" == await said(nobody, b"hello\n")
            await closed(nobody)
        assert [] == w.met


async def test_a_host_that_is_removed_is_cut_off_where_it_stands(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        kept, removed = await w.reach(w.host("b")), await w.reach(w.host("c"))
        assert b"b said 1\n" == await said(kept, b"1\n")
        assert b"c said 1\n" == await said(removed, b"1\n")
        gone = next(peer for peer in w.met if peer.name == "c")
        assert gone.name == "c"
        w.hosts = {serial for serial in w.hosts if serial == _serial(w, "b")}
        async with asyncio.timeout(20):
            assert b"" == await removed[0].read()
        assert b"b said 2\n" == await said(kept, b"2\n")
        await closed(kept)
        await closed(removed)


def _serial(w: World, name: str) -> str:
    from cryptography import x509

    return f"{x509.load_pem_x509_certificate((w.state / f'{name}.pem').read_bytes()).serial_number:x}"


def test_the_relay_is_at_an_address_that_only_this_machine_reaches() -> None:
    assert "127.128.2.7" == inner_address("10.0.2.7")
    assert "127.40.1.1" == inner_address("192.168.1.1")
    assert "127.0.0.1" != inner_address("127.0.0.1")

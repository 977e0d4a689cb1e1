#!/usr/bin/env python3
"""What object storage moves: small objects a second and large ones a second, over HTTP, with fsync, on this disk.

    .venv/bin/python bench/object_store.py [--replicas 3] [--seconds 5] [--profile] [--names 1000000] [--huge 5]

The server is a process of its own with one listener, as in `pileus up`; this one has 16 connections to it. Beside each rate stands what
the server used for one request: CPU in user and system time, all threads, and how often one of its threads went to sleep. What MD5 alone
and bare files alone reach in the same run stands beside what they bound.
"""

import argparse
import asyncio
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from hashlib import md5
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from object_serving import Server, Usage, resident

from pileus.kit.clock import SystemClock
from pileus.object_store.disk.containers import ContainerLedger
from pileus.object_store.models.listings import ObjectRow
from pileus.object_store.models.stamps import Stamps

CONNECTIONS = 16
SMALL = 4096
LARGE = 64 << 20
CHUNK = 1 << 20
ACCOUNT = "/object-store/v1/AUTH_p"


class Connection:
    """One client on one connection."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)

    def close(self) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, int]:
        """Status and length of the answer's body, which is read and dropped."""
        head = f"{method} {ACCOUNT}{path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: t\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        return await self._answer(method)

    async def header(self, path: str, name: str) -> str:
        """A header of the answer to a HEAD."""
        self._writer.write(f"HEAD {ACCOUNT}{path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: t\r\n\r\n".encode())
        raw = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        return raw.partition(f"\r\n{name}:")[2].partition("\r\n")[0].strip()

    async def _answer(self, method: str) -> tuple[int, int]:
        raw = await self._reader.readuntil(b"\r\n\r\n")
        low = raw.lower()
        at = low.find(b"\r\ncontent-length:")
        length = int(low[at + 17 : low.index(b"\r\n", at + 2)]) if at >= 0 else 0
        left = length
        while left and method != "HEAD":
            left -= len(await self._reader.read(min(left, 1 << 20)))
        return int(raw[9:12]), length


async def rate(port: int, seconds: float, work: Callable[[Connection, int, int], Awaitable[int]]) -> tuple[int, float]:
    """How many pieces of work the connections together did, and how many a second; each piece returns a status."""
    clients = [Connection(port) for _ in range(CONNECTIONS)]
    for client in clients:
        await client.open()
    began = time.perf_counter()
    done = [0] * CONNECTIONS

    async def one(at: int) -> None:
        while time.perf_counter() - began < seconds:
            status = await work(clients[at], at, done[at])
            assert 200 <= status < 300, status
            done[at] += 1

    await asyncio.gather(*(one(at) for at in range(CONNECTIONS)))
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    return sum(done), sum(done) / took


async def small(server: Server, seconds: float, *, profile: bool) -> None:
    """Objects of 4 KiB, written and read."""
    body = os.urandom(SMALL)
    counts = [0] * CONNECTIONS

    async def put(client: Connection, at: int, _number: int) -> int:
        counts[at] += 1
        return (await client.ask("PUT", f"/small/o-{at}-{counts[at]}", body))[0]

    async def get(client: Connection, at: int, number: int) -> int:
        return (await client.ask("GET", f"/small/o-{at}-{number % counts[at] + 1}"))[0]

    for name, work in (("PUT of 4 KiB", put), ("GET of 4 KiB", get)):
        usage = Usage(server.pid)
        done, speed = await rate(server.port, seconds, work)
        print(f"{name:<21} {speed:10.0f} /s     {usage.of(done)}", flush=True)
        if profile:
            server.profile()
            await rate(server.port, seconds, work)
            print(server.profiled(), end="")


def bare(folder: Path, seconds: float) -> float:
    """Files of 4 KiB a second that 16 threads write, fsync, rename, and fsync the directory of."""
    body = os.urandom(SMALL)
    counts = [0] * CONNECTIONS
    began = time.perf_counter()

    def one(at: int) -> None:
        while time.perf_counter() - began < seconds:
            top = folder / f"{at}-{counts[at] % 64}"
            top.mkdir(exist_ok=True)
            path = top / f"{counts[at]}"
            descriptor = os.open(f"{path}.tmp", os.O_WRONLY | os.O_CREAT)
            os.write(descriptor, body)
            os.fsync(descriptor)
            os.close(descriptor)
            os.rename(f"{path}.tmp", path)
            descriptor = os.open(top, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
            counts[at] += 1

    threads = [threading.Thread(target=one, args=(at,)) for at in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


async def pages(server: Server, path: str) -> None:
    """All names of a container, 10,000 a page."""
    client = Connection(server.port)
    await client.open()
    count = int(await client.header(path, "x-container-object-count"))
    usage, began, at, asked = Usage(server.pid), time.perf_counter(), 0, 0
    while at < count:
        marker = f"&marker=o-{at - 1:08d}" if at else ""
        assert (await client.ask("GET", f"{path}?format=json&limit=10000{marker}"))[0] == 200
        at, asked = at + 10_000, asked + 1
    took = time.perf_counter() - began
    client.close()
    print(f"{f'names of {count:,}':<21} {count / took:10.0f} /s     {usage.of(asked)} a page")


def filled(folder: Path, count: int) -> None:
    """The one container in a store that is not served now has so many objects, as far as its listing knows."""
    (path,) = (one for one in folder.glob("disk*/containers/**/*.db"))
    ledger = ContainerLedger(str(path))
    stamps = Stamps(SystemClock())
    for start in range(0, count, 10_000):
        numbers = range(start, min(start + 10_000, count))
        ledger.merge(
            ObjectRow(
                name=f"o-{at:08d}", stamp=stamps.next(), size=SMALL, type="application/octet-stream", etag="0" * 32
            )
            for at in numbers
        )
    ledger.ledger.close()


async def many_names(folder: Path, count: int) -> None:
    """A container of very many objects, listed."""
    server = Server(folder, 1)
    first = Connection(server.port)
    await first.open()
    assert (await first.ask("PUT", "/many"))[0] == 201
    first.close()
    server.stop()
    filled(folder, count)
    server = Server(folder, 1)
    try:
        await pages(server, "/many")
    finally:
        server.stop()


async def huge(folder: Path, gibibytes: float, policy: str) -> None:
    """An object of zeros there and back, and the most memory the server had meanwhile."""
    server = Server(folder, 1, policy)
    client = Connection(server.port)
    await client.open()
    assert (await client.ask("PUT", "/large"))[0] == 201
    await client.ask("PUT", "/large/warm", bytes(LARGE))
    await client.ask("GET", "/large/warm")
    size = int(gibibytes * (1 << 30))
    before = most = resident(server.pid)
    try:
        for method in ("PUT", "GET"):
            usage, began = Usage(server.pid), time.perf_counter()
            moving = asyncio.ensure_future(asyncio.to_thread(_moved, server.port, method, size))
            while not moving.done():
                await asyncio.wait({moving}, timeout=0.1)
                most = max(most, resident(server.pid))
            await moving
            speed = size / (time.perf_counter() - began) / 1e6
            name = f"{method} of {gibibytes:g} GiB{f' {policy}' if policy else ''}"
            print(f"{name:<21} {speed:10.0f} MB/s   {usage.of(gibibytes * 16)} a 64 MiB", flush=True)
        print(f"resident              {before:10.0f} MiB before, {most:.0f} MiB at most: {most - before:+.0f}")
    finally:
        server.stop()


def best_of(times: int, size: int, work: Callable[[], None]) -> float:
    """Bytes a second, of several tries the best."""
    found = 0.0
    for _ in range(times):
        began = time.perf_counter()
        work()
        found = max(found, size / (time.perf_counter() - began))
    return found


async def large(server: Server) -> None:
    """64 MiB there and back, and what MD5 alone does."""
    body = os.urandom(LARGE)
    best: dict[str, float] = {}
    used: dict[str, str] = {}

    def move(method: str) -> None:
        _moved(server.port, method, LARGE, body)

    for _ in range(4):
        for name, work in (
            ("MD5 alone", lambda: md5(body, usedforsecurity=False).digest()),
            ("PUT of 64 MiB", lambda: move("PUT")),
            ("GET of 64 MiB", lambda: move("GET")),
        ):
            usage = Usage(server.pid)
            speed = best_of(1, LARGE, work)
            if speed > best.get(name, 0):
                best[name], used[name] = speed, usage.of(1)
    for name, speed in best.items():
        beside = f"{100 * speed / best['MD5 alone']:.0f} % of MD5 alone; {used[name]}" if "PUT" in name else used[name]
        print(f"{name:<21} {speed / 1e6:10.0f} MB/s   {beside if name != 'MD5 alone' else ''}")


def _moved(port: int, method: str, size: int, body: bytes = bytes(4 << 20)) -> None:
    """A large body there or back, with blocking calls: the client is to cost as little as it can. Too short a body is repeated."""
    with socket.create_connection(("127.0.0.1", port)) as wire:
        length = size if method == "PUT" else 0
        head = f"{method} {ACCOUNT}/large/o HTTP/1.1\r\nHost: x\r\nX-Auth-Token: t\r\nContent-Length: {length}\r\n\r\n"
        wire.sendall(head.encode())
        left = length
        while left:
            wire.sendall(memoryview(body)[:left])
            left -= min(left, len(body))
        got = bytearray()
        while b"\r\n\r\n" not in got:
            got += wire.recv(65536)
        assert bytes(got[9:12]) in {b"200", b"201"}, got[:200]
        if method == "GET":
            left = size - (len(got) - got.index(b"\r\n\r\n") - 4)
            room = bytearray(1 << 20)
            while left:
                took = wire.recv_into(room)
                assert took
                left -= took


async def measure(args: argparse.Namespace, folder: Path) -> None:
    """Everything, a line each."""
    server = Server(folder, args.replicas)
    try:
        first = Connection(server.port)
        await first.open()
        for name in ("small", "large", "list"):
            assert (await first.ask("PUT", f"/{name}"))[0] in {201, 202}
        at_first = resident(server.pid)
        await small(server, args.seconds, profile=args.profile)
        (folder / "bare").mkdir()
        print(f"bare files of 4 KiB   {bare(folder / 'bare', args.seconds / 2):10.0f} /s")
        await large(server)
        print(f"resident              {at_first:10.0f} MiB at first, {resident(server.pid):.0f} MiB at the end")
    finally:
        server.stop()
    if args.names:
        await many_names(folder / "many", args.names)
    for policy in ("", "4+2") if args.huge else ():
        await huge(folder / f"huge{policy}", args.huge, policy)
        shutil.rmtree(folder / f"huge{policy}")


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--profile", action="store_true", help="say where the CPU goes")
    parser.add_argument("--names", type=int, default=100_000, help="how many names a container has that is listed")
    parser.add_argument(
        "--huge", type=float, default=0, metavar="GIB", help="move an object so large, whole and as 4+2"
    )
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where the disks are made")
    args = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {args.replicas} copies on one disk")
    folder = Path(tempfile.mkdtemp(prefix="pileus-bench-", dir=args.folder))
    try:
        asyncio.run(measure(args, folder))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

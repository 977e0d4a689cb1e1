#!/usr/bin/env python3
"""What object storage moves: small objects a second and large ones a second, over HTTP, with fsync, on this disk.

    .venv/bin/python bench/object_store.py [--replicas 3] [--seconds 5] [--folder DIR]

The server is one process with one listener, as in `pileus up`; the clients are a process of their own with 16
connections. What MD5 alone reaches in the same run stands beside the large PUT, since it is the ceiling of that.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from hashlib import md5
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from pileus.kit.auth import Caller
from pileus.kit.clock import SystemClock
from pileus.kit.http.server import Granian, free_port, until_listening
from pileus.object_store import manifest
from pileus.object_store.config import ObjectStoreConfig

CONNECTIONS = 16
SMALL = 4096
LARGE = 64 << 20
ACCOUNT = "/object-store/v1/AUTH_p"
Ask = Callable[[str, str, bytes], Awaitable[tuple[int, bytes]]]


class Anybody:
    """Takes every token."""

    async def caller(self, token: str) -> Caller:
        return Caller(user_id="u", project_id="p", roles=frozenset({"member"}))


class Connection:
    """One client on one connection."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, int]:
        """Status and length of the answer's body, which is read and dropped."""
        head = f"{method} {ACCOUNT}{path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: t\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body if len(body) < 65536 else head.encode())
        for at in range(0, len(body) if len(body) >= 65536 else 0, 1 << 20):
            self._writer.write(body[at : at + (1 << 20)])
            await self._writer.drain()
        raw = await self._reader.readuntil(b"\r\n\r\n")
        status = int(raw[9:12])
        length = next((int(line[15:]) for line in raw.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        left = length
        while left and method != "HEAD":
            left -= len(await self._reader.read(min(left, 1 << 20)))
        return status, length


async def rate(port: int, seconds: float, work: Callable[[Connection, int, int], Awaitable[int]]) -> float:
    """How many times a second the connections together do a piece of work; each piece returns a status."""
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
    return sum(done) / (time.perf_counter() - began)


async def clients(port: int, seconds: float) -> None:
    """Measure, and print a line for each kind of work."""
    first = Connection(port)
    await first.open()
    for name in ("small", "large", "list"):
        assert (await first.ask("PUT", f"/{name}"))[0] in {201, 202}
    body = os.urandom(SMALL)

    async def put(client: Connection, at: int, number: int) -> int:
        return (await client.ask("PUT", f"/small/o-{at}-{number}", body))[0]

    puts = await rate(port, seconds, put)
    print(f"PUT of 4 KiB          {puts:10.0f} /s")
    known = max(1, int(puts * seconds / CONNECTIONS / 2))

    async def get(client: Connection, at: int, number: int) -> int:
        return (await client.ask("GET", f"/small/o-{at}-{number % known}"))[0]

    print(f"GET of 4 KiB          {await rate(port, seconds, get):10.0f} /s")
    began, names = time.perf_counter(), 0
    while time.perf_counter() - began < 1:
        assert (await first.ask("GET", "/small?format=json&limit=10000"))[0] == 200
        names += min(10_000, int(puts * seconds))
    print(f"names listed          {names / (time.perf_counter() - began):10.0f} /s")
    await large(first)


async def large(client: Connection) -> None:
    """64 MiB there and back, and what MD5 alone does."""
    body = os.urandom(LARGE)
    best: dict[str, float] = {}
    for _ in range(3):
        began = time.perf_counter()
        md5(body, usedforsecurity=False).digest()
        best["MD5 alone"] = max(best.get("MD5 alone", 0), LARGE / (time.perf_counter() - began))
        for name, method in (("PUT of 64 MiB", "PUT"), ("GET of 64 MiB", "GET")):
            began = time.perf_counter()
            status, _ = await client.ask(method, "/large/o", body if method == "PUT" else b"")
            assert status in {200, 201}, status
            best[name] = max(best.get(name, 0), LARGE / (time.perf_counter() - began))
    for name, speed in best.items():
        print(f"{name:<21} {speed / 1e6:10.0f} MB/s")


def resident() -> float:
    """MiB of memory this process has."""
    told = subprocess.run(["ps", "-o", "rss=", str(os.getpid())], capture_output=True, text=True, check=True)
    return int(told.stdout) / 1024


async def serve(folder: Path, replicas: int, seconds: float) -> None:
    """A server in this process, and the clients in another."""
    devices = tuple(str(folder / f"disk{at}") for at in range(replicas))
    # Few partitions: most directories are soon there, as in a store that has been in use for a while.
    config = ObjectStoreConfig(devices=devices, replicas=float(replicas), part_power=2)
    app = manifest.build(people=Anybody(), clock=SystemClock(), state=folder / "objects", config=config)
    api = manifest.api(app)
    port = free_port()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await api(scope, receive, send)

    listener = Granian(answer, "127.0.0.1", port)
    serving = asyncio.create_task(listener.serve())
    await until_listening("127.0.0.1", port)
    before, at_first = os.times(), resident()
    asked = [sys.executable, __file__, "--clients", str(port), "--seconds", str(seconds)]
    await (await asyncio.create_subprocess_exec(*asked)).wait()
    used = os.times()
    print(f"CPU of the server     {used.user + used.system - before.user - before.system:10.1f} s")
    print(f"resident              {at_first:10.0f} MiB at first, {resident():.0f} MiB at the end")
    listener.stop()
    await serving
    await app.server.close()


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where the disks are made")
    parser.add_argument("--clients", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.clients:
        asyncio.run(clients(args.clients, args.seconds))
        return
    folder = Path(tempfile.mkdtemp(prefix="pileus-bench-", dir=args.folder))
    try:
        asyncio.run(serve(folder, args.replicas, args.seconds))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

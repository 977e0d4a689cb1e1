#!/usr/bin/env python3
"""What images move: one large image up and down over HTTP, into files and into object storage, and the memory it takes.

    .venv/bin/python bench/images.py [--mebibytes 1024] [--folder DIR]

The server is one process with one listener, as in `pileus up`; the client is a process of its own. An upload makes MD5 and
SHA-512 of every byte, so what these two reach beside each other, in the same run, is its ceiling.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from hashlib import md5, sha512
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from pileus.image import manifest as images
from pileus.image.config import ImageConfig, StoreConfig
from pileus.kit.auth import Caller
from pileus.kit.bus import LocalBus
from pileus.kit.clock import SystemClock
from pileus.kit.db import Database, create_all
from pileus.kit.flow.engine import Engine
from pileus.kit.http import Kernel
from pileus.kit.http.server import Application, Granian, free_port, until_listening
from pileus.kit.tables import metadata
from pileus.object_store import manifest as objects
from pileus.object_store.config import ObjectStoreConfig

CHUNK = 1 << 20
STORES = {"file": StoreConfig(path="images"), "objects": StoreConfig(kind="object_store")}


class Anybody:
    """Takes every token."""

    async def caller(self, token: str) -> Caller:
        return Caller(user_id="u", project_id="p", roles=frozenset({"member", "reader"}))


async def ask(
    port: int, method: str, path: str, head: str = "", body: bytes = b"", times: int = 1
) -> tuple[int, bytes, int]:
    """Status, the beginning and the length of the answer to `body`, sent so many times over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=CHUNK)
    lines = f"Host: x\r\nX-Auth-Token: t\r\nConnection: close\r\n{head}Content-Length: {len(body) * times}\r\n\r\n"
    writer.write(f"{method} /image{path} HTTP/1.1\r\n{lines}".encode())
    for _ in range(times):
        writer.write(body)
        await writer.drain()
    raw = await reader.readuntil(b"\r\n\r\n")
    beginning, length = b"", 0
    while piece := await reader.read(CHUNK):
        beginning, length = beginning or piece, length + len(piece)
    writer.close()
    return int(raw[9:12]), beginning, length


async def client(port: int, mebibytes: int) -> None:
    """Do each thing, and tell the server when it is done and how long it took."""
    chunk = os.urandom(CHUNK)
    about = json.dumps({"name": "x", "disk_format": "raw", "container_format": "bare"}).encode()
    for store in STORES:
        status, raw, _ = await ask(port, "POST", "/v2/images", "Content-Type: application/json\r\n", about)
        assert status == 201, raw
        path = f"/v2/images/{json.loads(raw)['id']}/file"
        head = f"Content-Type: application/octet-stream\r\nX-Image-Meta-Store: {store}\r\n"
        began = time.perf_counter()
        status, raw, _ = await ask(port, "PUT", path, head, chunk, mebibytes)
        assert status == 204, raw
        print(f"{store} up {time.perf_counter() - began}", flush=True)
        began = time.perf_counter()
        status, _, length = await ask(port, "GET", path)
        assert (200, mebibytes * CHUNK) == (status, length)
        print(f"{store} down {time.perf_counter() - began}", flush=True)


async def measured(port: int, mebibytes: int) -> int:
    """What the client did, with the processor time that the server spent on it meanwhile; returns how the client ended."""
    words = [sys.executable, __file__, "--client", str(port), "--mebibytes", str(mebibytes)]
    asked = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert asked.stdout is not None, "it was started with a pipe"
    spent = time.process_time()
    async for line in asked.stdout:
        store, way, took = line.decode().split()
        used, spent = time.process_time() - spent, time.process_time()
        rate = mebibytes * CHUNK / float(took) / 1e6
        print(f"{store:<8} {way:<5} {rate:7.0f} MB/s   {used / mebibytes * 1e3:6.2f} ms of CPU a MiB", flush=True)
    return await asked.wait()


async def hashed(mebibytes: int) -> tuple[float, float]:
    """MB a second of both hashes, in threads as an upload makes them, and nothing else; and ms of CPU a MiB."""
    chunk, one, other = os.urandom(CHUNK), md5(usedforsecurity=False), sha512()

    def both() -> None:
        one.update(chunk)
        other.update(chunk)

    began, spent = time.perf_counter(), time.process_time()
    for _ in range(mebibytes):
        await asyncio.to_thread(both)
    used = (time.process_time() - spent) / mebibytes * 1e3
    return mebibytes * CHUNK / (time.perf_counter() - began) / 1e6, used


def memory(what: str) -> int:
    """MiB that this process has, or had at most (VmRSS, VmHWM: proc(5))."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) >> 10


async def serve(folder: Path, mebibytes: int) -> None:
    """A server in this process, and the client in another."""
    clock, people = SystemClock(), Anybody()
    db = await Database.open(folder / "db.sqlite")
    await create_all(db, images.METADATA, metadata)
    config = ObjectStoreConfig(devices=(str(folder / "disk"),), replicas=1.0, part_power=2)
    storage = objects.build(people=people, clock=clock, state=folder / "objects", config=config)
    engine = Engine(db, LocalBus(), clock)
    app = images.build(
        db=db, clock=clock, operations=engine, state=folder, config=ImageConfig(stores=STORES),
        objects=objects.port(storage),
    )  # fmt: skip
    kernel = Kernel(people)
    kernel.mount("image", images.API, app)
    port = free_port()
    listener = Granian(Application(kernel, {}), "127.0.0.1", port)
    serving = asyncio.create_task(listener.serve())
    await until_listening("127.0.0.1", port)
    rate, used = await hashed(256)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"MD5 and SHA-512 alone {rate:.0f} MB/s, {used:.2f} ms of CPU a MiB", flush=True)
    at_first = memory("VmRSS")
    code = await measured(port, mebibytes)
    print(f"resident   {at_first} MiB at first, {memory('VmHWM')} MiB at most")
    listener.stop()
    await serving
    await storage.server.close()
    await db.close()
    if code:
        raise SystemExit(code)


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where the stores are made")
    parser.add_argument("--client", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.client:
        asyncio.run(client(args.client, args.mebibytes))
        return
    folder = Path(tempfile.mkdtemp(prefix="pileus-bench-", dir=args.folder))
    try:
        asyncio.run(serve(folder, args.mebibytes))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

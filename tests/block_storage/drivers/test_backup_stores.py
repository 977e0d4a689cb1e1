"""Backups are whole or not there in every store of chunks, whatever breaks off, and any host that has the store restores them."""

import asyncio
import json
import os
import threading
import uuid
from collections.abc import AsyncIterator, Collection, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from tests.block_storage.drivers.contract import of

from pileus.block_storage.drivers.backup_chunks import CHUNK as MOST
from pileus.block_storage.drivers.backup_chunks import WAYS, Chunks
from pileus.block_storage.drivers.backup_files import Backups
from pileus.block_storage.drivers.backup_folder import FolderChunks
from pileus.block_storage.drivers.backup_objects import ObjectChunks
from pileus.block_storage.drivers.backup_swift import Account, SwiftChunks
from pileus.block_storage.drivers.interface import Backup, BackupSeen, DriverError, Kind
from pileus.block_storage.drivers.marks import MARK
from pileus.ports.objects import NotKept

CHUNK = 1 << 16
STORES = ("own folder", "shared folder", "objects", "swift")


class KeptObjects:
    """Keeps pileus.ports.objects.Objects."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.away = False

    def _check(self) -> None:
        if self.away:
            raise NotKept("object storage is away")

    async def put(self, container: str, name: str, chunks: AsyncIterator[bytes]) -> None:
        self._check()
        self.kept[f"{container}/{name}"] = b"".join([each async for each in chunks])

    async def join(self, container: str, name: str, parts: Collection[str]) -> None:
        raise AssertionError("nobody joins chunks")

    async def read(self, container: str, name: str, start: int, length: int | None = None) -> AsyncIterator[bytes]:
        self._check()
        yield self.kept[f"{container}/{name}"][start:]

    async def size(self, container: str, name: str) -> int | None:
        self._check()
        found = self.kept.get(f"{container}/{name}")
        return None if found is None else len(found)

    async def remove(self, container: str, name: str) -> None:
        self._check()
        self.kept.pop(f"{container}/{name}", None)

    async def names(self, container: str, beginning: str = "") -> Collection[str]:
        self._check()
        inside = f"{container}/{beginning}"
        return sorted(name.removeprefix(f"{container}/") for name in self.kept if name.startswith(inside))


class OtherCloud(ThreadingHTTPServer):
    """Keystone and Swift of another cloud, as much of them as backups need; some answers are refusals, as networks have them."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), OtherCloudAnswers)
        self.kept: dict[str, bytes] = {}
        self.there = False
        self.logins = 0
        self.busy = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def refuse_tokens(self) -> None:
        """Whoever has a token needs another one."""
        self.logins += 100


class OtherCloudAnswers(BaseHTTPRequestHandler):
    server: OtherCloud
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        status, headers, said = self._said(urlsplit(self.path).path, body)
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(said))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_PUT = do_POST = do_DELETE = _answer

    def _said(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        cloud = self.server
        if path == "/identity/v3/auth/tokens":
            return self._token(json.loads(body))
        if self.headers["x-auth-token"] != f"token {cloud.logins}":
            return 401, {}, b""
        if cloud.busy:
            cloud.busy -= 1
            return 503, {}, b"busy"
        name = unquote(path.removeprefix("/store/AUTH_p/volume_backups").removeprefix("/"))
        if not name and self.command == "PUT":
            cloud.there = True
            return 201, {}, b""
        if not cloud.there:
            return 404, {}, b""
        if not name:
            return 200, {}, self._page()
        if self.command == "PUT":
            cloud.kept[name] = body
            return 201, {}, b""
        if name not in cloud.kept:
            return 404, {}, b""
        return (204, {}, cloud.kept.pop(name)[:0]) if self.command == "DELETE" else (200, {}, cloud.kept[name])

    def _token(self, asked: dict[str, dict[str, dict[str, object]]]) -> tuple[int, dict[str, str], bytes]:
        user = asked["auth"]["identity"]["password"]["user"]  # type: ignore[index,call-overload]
        if user["password"] != "sesame" or user["domain"] != {"name": "Default"}:
            return 401, {}, b""
        self.server.logins += 1
        places = [
            {"interface": "public", "region": region, "url": f"{self.server.url}/{where}/AUTH_p"}
            for region, where in (("elsewhere", "nowhere"), ("here", "store"))
        ]
        catalog = [{"type": "identity", "endpoints": []}, {"type": "object-store", "endpoints": places}]
        token = {"x-subject-token": f"token {self.server.logins}"}
        return 201, token, json.dumps({"token": {"catalog": catalog}}).encode()

    def _page(self) -> bytes:
        asked = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
        names = sorted(each for each in self.server.kept if each.startswith(asked["prefix"]))
        after = [each for each in names if each > asked.get("marker", "")]
        return json.dumps([{"name": each} for each in after[: int(asked["limit"])]]).encode()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said of what is asked."""


@pytest.fixture
def other_cloud() -> Iterator[OtherCloud]:
    with OtherCloud() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Store:
    """One store, as several hosts have it."""

    def __init__(self, which: str, root: Path, cloud: OtherCloud) -> None:
        self.which, self.root, self.cloud = which, root, cloud
        self.objects = KeptObjects()
        shared = root / "shared"
        shared.mkdir()
        (shared / MARK).write_text("one")
        (root / "password").write_text("sesame\n")

    def chunks(self) -> Chunks | None:
        match self.which:
            case "shared folder":
                return FolderChunks(self.root / "shared", shared=True)
            case "objects":
                return ObjectChunks(self.objects)
            case "swift":
                url = f"{self.cloud.url}/identity/v3/"
                account = Account(
                    auth_url=url, username="u", password_file=str(self.root / "password"), project="p", region="here"
                )
                return SwiftChunks(account, pause_s=0)
        return None

    def host(self, name: str = "h1", chunks: Chunks | None = None) -> Backups:
        return Backups(self.root / name / "volume_backup", chunks or self.chunks(), chunk=CHUNK)

    def kept(self, id: str) -> list[str]:
        """The names of what is there of a backup, for whoever looks into the store."""
        folder = self.root / ("shared" if self.which == "shared folder" else "h1/volume_backup")
        names = {"objects": self.objects.kept, "swift": self.cloud.kept}.get(self.which)
        found = [str(path.relative_to(folder)) for path in folder.glob("*/*")] if names is None else list(names)
        return sorted(name.rpartition("/")[2] for name in found if f"{id}/" in name)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path, other_cloud: OtherCloud) -> Store:
    return Store(request.param, tmp_path, other_cloud)


def a_disk(root: Path, **chunks: bytes) -> Path:
    """A sparse file of six chunks and a bit, of which some begin with what is said: `at3=b"..."`."""
    file = root / f"{uuid.uuid4()}.disk"
    with file.open("wb") as out:
        out.truncate(6 * CHUNK + 4096)
        for name, content in chunks.items():
            out.seek(int(name.removeprefix("at")) * CHUNK)
            out.write(content)
    return file


def a_backup(**said: object) -> Backup:
    return Backup(id=str(uuid.uuid4()), backend="b", of=of(Kind.VOLUME, "v"), **said)  # type: ignore[arg-type]


async def back(backups: Backups, id: str, root: Path) -> bytes:
    file = root / f"{uuid.uuid4()}.back"
    await backups.restore(id, file)
    return file.read_bytes()


async def test_what_changed_is_kept_once_and_every_backup_gives_its_own_bytes_back(store: Store) -> None:
    one, root = store.host(), store.root
    monday = a_disk(root, at0=b"monday", at2=os.urandom(CHUNK), at6=b"end")
    tuesday = a_disk(root, at2=monday.read_bytes()[2 * CHUNK : 3 * CHUNK], at4=b"tuesday", at6=b"END")
    full, more = a_backup(compression="zstd"), a_backup()
    await one.write(full, monday)
    assert (3, True) == ((await one.seen(full.id)).objects, (await one.seen(full.id)).whole)
    more = a_backup(parent=full.id, compression="zstd")
    await one.write(more, tuesday)
    assert 2 == (await one.seen(more.id)).objects
    for backup, disk in ((full, monday), (more, tuesday)):
        assert await back(one, backup.id, root) == disk.read_bytes()
    assert {full.id, more.id} == set(await one.seen_all())


async def test_a_host_that_has_the_store_restores_what_another_made_and_takes_it_over(store: Store) -> None:
    one, two = store.host(), store.host("h2")
    disk = a_disk(store.root, at1=b"precious")
    backup = a_backup()
    await one.write(backup, disk)
    if one.chunks.store is None:
        with pytest.raises(DriverError, match="is not whole"):
            await back(two, backup.id, store.root)
        return
    assert one.chunks.store == two.chunks.store
    assert await back(two, backup.id, store.root) == disk.read_bytes()
    # What it is not in charge of it neither tells of nor removes.
    assert {} == await two.seen_all()
    await two.remove(backup.id)
    assert await back(two, backup.id, store.root) == disk.read_bytes()
    await two.adopt(backup.id)
    assert (await two.seen(backup.id)).whole
    with pytest.raises(DriverError, match="no whole backup"):
        await two.adopt(str(uuid.uuid4()))


class Mortal:
    """A store of chunks that is there for so many changes, and for no more."""

    def __init__(self, of: Chunks, changes: int) -> None:
        self._of, self._left = of, changes

    @property
    def store(self) -> str | None:
        return self._of.store

    def _change(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise asyncio.CancelledError("killed")

    async def put(self, name: str, content: bytes) -> None:
        self._change()
        await self._of.put(name, content)

    async def get(self, name: str) -> bytes | None:
        return await self._of.get(name)

    async def names(self, backup: str) -> Collection[str]:
        return await self._of.names(backup)

    async def remove(self, backup: str, names: Collection[str]) -> None:
        for name in names:
            self._change()
            await self._of.remove(backup, [name])


@pytest.mark.parametrize("which", ["shared folder", "objects"])
async def test_a_backup_that_is_cut_off_anywhere_is_not_whole_and_the_next_try_makes_it(
    which: str, tmp_path: Path, other_cloud: OtherCloud
) -> None:
    store = Store(which, tmp_path, other_cloud)
    disk = a_disk(tmp_path, at0=b"a", at1=b"b", at3=b"c")
    after = a_disk(tmp_path, at0=b"a")
    chunks = store.chunks()
    assert chunks is not None
    for written, removed in [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (4, 1), (4, 3)]:
        backup = a_backup()
        with pytest.raises(asyncio.CancelledError):
            await store.host(chunks=Mortal(chunks, written)).write(backup, disk)
            await store.host(chunks=Mortal(chunks, removed)).remove(backup.id)
        assert BackupSeen() == await store.host().seen(backup.id)
        # Meanwhile there is less on the disk: nothing of the first try is left over.
        await store.host().write(backup, after)
        assert ["00000000.z", "index.json.z"] == store.kept(backup.id)
        assert await back(store.host("h2"), backup.id, tmp_path) == after.read_bytes()
        await store.host().remove(backup.id)
        assert [] == store.kept(backup.id)
        assert {} == await store.host().seen_all()


@pytest.mark.parametrize("way", WAYS)
async def test_every_compression_gives_the_same_bytes_and_damage_is_found(way: str, tmp_path: Path) -> None:
    backups = Backups(tmp_path / "own", chunk=CHUNK)
    disk = a_disk(tmp_path, at0=b"text " * 1000, at5=os.urandom(1 << 16))
    backup = a_backup(compression=way)
    await backups.write(backup, disk)
    assert await back(backups, backup.id, tmp_path) == disk.read_bytes()
    file = tmp_path / "own" / backup.id / f"00000005.{WAYS[way].ending}"
    kept = file.read_bytes()
    file.write_bytes(kept[:20] + bytes(20) + kept[40:])
    with pytest.raises(DriverError, match="damaged"):
        await back(backups, backup.id, tmp_path)
    file.write_bytes(WAYS[way].squeeze(bytes(MOST + 1)))
    with pytest.raises(DriverError, match="damaged"):
        await back(backups, backup.id, tmp_path)
    file.unlink()
    with pytest.raises(DriverError, match="is lost"):
        await back(backups, backup.id, tmp_path)


async def test_older_controllers_say_only_whether_chunks_are_compressed(tmp_path: Path) -> None:
    backups, disk = Backups(tmp_path / "own", chunk=CHUNK), a_disk(tmp_path, at0=b"a")
    endings = []
    for compressed in (True, False):
        backup = a_backup(compressed=compressed)
        await backups.write(backup, disk)
        endings += [path.suffix for path in (tmp_path / "own" / backup.id).glob("0*")]
    assert [".z", ".raw"] == endings


async def test_a_busy_cloud_is_asked_again_and_a_token_that_ended_is_had_anew(
    tmp_path: Path, other_cloud: OtherCloud
) -> None:
    store = Store("swift", tmp_path, other_cloud)
    one, disk, backup = store.host(), a_disk(tmp_path, at1=b"precious"), a_backup()
    other_cloud.busy = 2
    await one.write(backup, disk)
    other_cloud.refuse_tokens()
    assert await back(one, backup.id, tmp_path) == disk.read_bytes()
    (tmp_path / "password").write_text("guess")
    other_cloud.refuse_tokens()
    with pytest.raises(DriverError, match="401"):
        await back(store.host("h2"), backup.id, tmp_path)


async def test_object_storage_that_is_away_is_named_and_the_backup_is_made_when_it_is_back(
    tmp_path: Path, other_cloud: OtherCloud
) -> None:
    store = Store("objects", tmp_path, other_cloud)
    one, disk, backup = store.host(), a_disk(tmp_path, at1=b"precious"), a_backup()
    store.objects.away = True
    with pytest.raises(DriverError, match="object storage is away"):
        await one.write(backup, disk)
    store.objects.away = False
    await one.write(backup, disk)
    assert await back(one, backup.id, tmp_path) == disk.read_bytes()


async def test_a_shared_directory_that_is_not_mounted_is_not_written_to(
    tmp_path: Path, other_cloud: OtherCloud
) -> None:
    store = Store("shared folder", tmp_path, other_cloud)
    (tmp_path / "shared" / MARK).unlink()
    with pytest.raises(DriverError, match="no mount point"):
        await store.host().write(a_backup(), a_disk(tmp_path, at1=b"precious"))
    assert [] == list((tmp_path / "shared").iterdir())

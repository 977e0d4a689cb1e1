"""Bytes of volumes go from host to host whole or not at all, and only to whom its documents name them."""

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.block_storage.drivers.contract import BackendContract, a_disk, of
from tests.block_storage.drivers.files import OneImage, WorldOfFiles
from tests.block_storage.drivers.test_lvm import LvmWorld
from tests.postgres import open_with

from pileus.block_storage.drivers.file import FileBackend
from pileus.block_storage.drivers.interface import HELD, Backup, Disk, Export, Kind
from pileus.compute.drivers.interface import DriverError as RunsError
from pileus.kit.bus import LocalBus
from pileus.kit.clock import FakeClock
from pileus.kit.hosts.asks import Asks, Stream
from pileus.kit.hosts.channel import Asked
from pileus.kit.hosts.control import Hosts
from pileus.kit.hosts.exchange import Body
from pileus.kit.hosts.wire import Peer
from pileus.kit.tables import metadata
from pileus.main.host_needs import NotYours
from pileus.main.volume_files import AllVolumeFiles, Broken, BytesAnswers, Keeps, VolumeFileRoutes

MIB = 1 << 20
made = BackendContract().made


class Cut(BytesAnswers):
    """An origin whose bytes pass somebody who ends, or changes, them after so many."""

    cut: int | None = None
    change = False

    async def connect(self, body: Body) -> Stream:
        reader, writer = await super().connect(body)
        everything = await reader.read(-1)
        writer.close()
        await writer.wait_closed()
        passed = asyncio.StreamReader()
        kept = everything[: self.cut]
        passed.feed_data(kept[:40] + bytes([kept[40] ^ 1]) + kept[41:] if self.change else kept)
        passed.feed_eof()
        return passed, writer


class OneHost(Asks):
    """Questions to the one host there is."""

    def __init__(self, answers: BytesAnswers) -> None:
        super().__init__()
        self._answers_of = answers

    async def open(self, host: str, body: Body, deadline_s: float = 10.0) -> Stream:
        return await self._answers_of.connect(body)


class Origin(WorldOfFiles):
    """A host with volumes in files and in a thin pool, and how others get at them."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        (root / "vg-of").mkdir()
        self.root = root
        self.backend = self.files = FileBackend("files", root / "files", OneImage(b""))
        self.lvm = LvmWorld(root / "vg-of")
        backends = {"files": self.files, "lvm": self.lvm.backend}
        self.answers = Cut("h1", backends, root / "leaving")
        self.all = AllVolumeFiles("h1", self.answers, Asks(), root / "arriving")

    async def volume(self, content: dict[int, bytes], backend: str = "files") -> Disk:
        disk = a_disk(backend=backend)
        store = self.files if backend == "files" else self.lvm.backend
        seen = await store.ensure_disk(Kind.VOLUME, disk)
        path = Path(seen.path or "")
        if backend == "lvm":
            path = self.lvm.file(Kind.VOLUME, disk.id)
        with path.open("r+b") as out:
            for at, piece in content.items():
                out.seek(at)
                out.write(piece)
        return disk

    async def arrived(self, backend: str, kind: str, id: str) -> Path:
        target = self.root / f"{uuid.uuid4()}.arrived"
        await self.all.fetch("h1", backend, kind, id, target)
        return target


@contextlib.asynccontextmanager
async def an_origin(root: Path) -> AsyncIterator[Origin]:
    origin = Origin(root)
    try:
        yield origin
    finally:
        await origin.answers.close()
        await origin.files.close()
        await origin.lvm.backend.close()


def read(path: Path, at: int, length: int) -> bytes:
    with path.open("rb") as file:
        return os.pread(file.fileno(), length, at)


@pytest.mark.parametrize("backend", ["files", "lvm"])
async def test_a_disk_arrives_as_it_is_and_as_sparse_as_it_was(backend: str, tmp_path: Path) -> None:
    written = {0: b"first", 7 * MIB - 2: b"across", 900 * MIB: os.urandom(3 * MIB), 2**30 - 4: b"last"}
    async with an_origin(tmp_path) as origin:
        disk = await origin.volume(written, backend)
        file = await origin.arrived(backend, Kind.VOLUME, disk.id)
        assert 2**30 == file.stat().st_size
        assert 12 * MIB > file.stat().st_blocks * 512
        assert written == {at: read(file, at, len(piece)) for at, piece in written.items()}
        assert bytes(100) == read(file, 500 * MIB, 100)
        assert [] == list((tmp_path / "leaving").iterdir())


async def test_what_was_cut_off_or_changed_is_not_taken_for_whole(tmp_path: Path) -> None:
    async with an_origin(tmp_path) as origin:
        disk = await origin.volume({0: b"x" * 100, 900 * MIB: b"last"})
        for cut, change, why in (
            (5, False, "cut off"),
            (60, False, "cut off"),
            (-1, False, "cut off"),
            (None, True, "changed"),
        ):
            origin.answers.cut, origin.answers.change = cut, change
            with pytest.raises(Broken, match=why):
                await origin.arrived("files", Kind.VOLUME, disk.id)
        assert [] == list(tmp_path.glob("*.arrived"))


async def test_why_something_is_not_given_is_said(tmp_path: Path) -> None:
    async with an_origin(tmp_path) as origin:
        with pytest.raises(Broken, match="volume gone is not on this host"):
            await origin.arrived("files", Kind.VOLUME, "gone")
        with pytest.raises(Keeps, match="no back end tape"):
            await origin.arrived("tape", Kind.VOLUME, "gone")


async def test_a_backup_is_given_as_the_disk_it_was_made_of(tmp_path: Path) -> None:
    async with an_origin(tmp_path) as origin:
        disk = await origin.volume({3 * MIB: b"precious"})
        backup = Backup(id=str(uuid.uuid4()), backend="files", of=of(Kind.VOLUME, disk.id))

        await BackendContract().backed_up(origin, backup)
        file = await origin.arrived("files", Kind.BACKUP, backup.id)
        assert (2**30, b"precious") == (file.stat().st_size, read(file, 3 * MIB, 8))


async def test_a_copy_for_an_image_is_had_from_another_host_and_nothing_else_is(tmp_path: Path) -> None:
    async with an_origin(tmp_path) as origin:
        disk = await origin.volume({0: b"precious"})

        exported = a_disk(id=disk.id, backend="files", export=Export(name="i", format="raw"))
        seen = await made(origin, exported)
        assert seen.export is not None
        elsewhere = AllVolumeFiles("h2", origin.answers, OneHost(origin.answers), tmp_path / "arriving")
        async with elsewhere.at_hand("h1", "files", disk.id, seen.export.file) as path:
            assert b"precious" == read(path, 0, 8)
        for name in ("0.raw", "export-other.raw", "export-i.raw.part"):
            with pytest.raises(Broken, match="has no"):
                async with elsewhere.at_hand("h1", "files", disk.id, name):
                    raise AssertionError("nothing of that name is given")
        assert [] == list((tmp_path / "arriving").iterdir())


async def test_a_host_gets_only_what_its_documents_name(tmp_path: Path) -> None:
    db = await open_with(metadata)
    hosts = Hosts(db, LocalBus(), FakeClock())
    async with an_origin(tmp_path) as origin:
        disk = await origin.volume({0: b"precious"})
        routes = VolumeFileRoutes(hosts, origin.all)
        query = {"host": "h1", "backend": "files"}

        async def ask(asker: str, kind: str = "volume", **said: str) -> bytes:
            asked = Asked(asker, Peer(), {"kind": kind, "id": disk.id}, {**query, **said}, {}, b"")
            told = await routes.send(asked)
            assert told.parts is not None
            return b"".join([part async for part in told.parts])

        origin_of = {"kind": "volume", "id": disk.id, "host": "h1", "backend": "files"}
        await hosts.want("h2", Kind.VOLUME, "copy", {"backend": "b", "origin": origin_of})
        await hosts.want("h3", Kind.VOLUME, "other", {"backend": "b", "origin": {**origin_of, "id": "other"}})
        await hosts.want("h3", Kind.VOLUME, "blank", {"backend": "b"})
        assert b"precious" in await ask("h2")
        for refused in (
            ask("h3"),
            ask("h4"),
            ask("h2", backend="lvm"),
            ask("h2", host="h3"),
            ask("h2", kind="volume_backup"),
        ):
            with pytest.raises(NotYours):
                await refused
        await hosts.unwant("h2", Kind.VOLUME, "copy")
        with pytest.raises(NotYours):
            await ask("h2")
    await db.close()


async def test_the_keeper_of_a_volume_alone_gets_a_copy_from_who_has_it(tmp_path: Path) -> None:
    db = await open_with(metadata)
    hosts = Hosts(db, LocalBus(), FakeClock())
    async with an_origin(tmp_path) as holder:
        holder.answers.copy_attached(Runs())  # type: ignore[arg-type]
        routes = VolumeFileRoutes(hosts, holder.all)

        async def ask(asker: str, id: str = "v1", host: str = "h1") -> bytes:
            asked = Asked(asker, Peer(), {"kind": HELD, "id": id}, {"host": host, "backend": ""}, {}, b"")
            told = await routes.send(asked)
            assert told.parts is not None
            return b"".join([part async for part in told.parts])

        of_v1 = {"kind": "volume", "id": "v1", "holder": "h1"}
        documents = [
            ("keeps", Kind.SNAPSHOT, "s1", {"origin": of_v1}),
            ("clones", Kind.VOLUME, "v2", {"origin": of_v1}),
            ("backs-up", Kind.BACKUP, "b1", {"of": of_v1}),
            ("exports", Kind.VOLUME, "v1", {"holder": "h1", "export": {}}),
            ("other", Kind.SNAPSHOT, "s2", {"origin": {**of_v1, "id": "v9"}}),
            ("unheld", Kind.SNAPSHOT, "s3", {"origin": {**of_v1, "holder": None}}),
        ]
        for asker, kind, id, body in documents:
            await hosts.want(asker, kind, id, {"backend": "b", **body})
        for asker in ("keeps", "clones", "backs-up", "exports"):
            assert b"as the guest has it" in await ask(asker), asker
        refused = (ask("other"), ask("unheld"), ask("stranger"), ask("keeps", "v9"), ask("keeps", host="h7"))
        for each in (*refused, ask("unheld", host="")):
            with pytest.raises(NotYours):
                await each
        with pytest.raises(Broken, match="no server of this host has volume v7"):
            await holder.arrived("", HELD, "v7")
        assert [] == list((tmp_path / "leaving").iterdir())
    await db.close()


class Runs:
    """Servers of which one has a volume."""

    @property
    def attached(self) -> "Runs":
        return self

    async def give(self, volume_id: str, target: Path) -> None:
        if volume_id != "v1":
            raise RunsError("The volume cannot be copied", f"no server of this host has volume {volume_id}")
        target.write_bytes(b"as the guest has it")

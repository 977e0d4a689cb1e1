"""Volumes in a pool of Ceph: images that any host with the cluster's configuration reaches.

A copy is a clone, made at once and of one moment, so volumes in use can be copied. An image that clones were made of goes to
the pool's trash, which nobody can attach, and from there when the last of them is gone. Every image names the host that is
in charge of it: no host removes what another made.
"""

import asyncio
import contextlib
import hashlib
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec

from pileus.block_storage.drivers import rbd_commands as commands
from pileus.block_storage.drivers.backup_chunks import Chunks
from pileus.block_storage.drivers.disk_backend import DiskBackend
from pileus.block_storage.drivers.disks import Disks, Spot
from pileus.block_storage.drivers.image_tool import COPY_S
from pileus.block_storage.drivers.interface import GIB, DriverError, Kind, Origin, Place, Room
from pileus.block_storage.drivers.rbd_clones import RbdClones
from pileus.block_storage.drivers.rbd_commands import Cluster, image_name, spot_in
from pileus.kit.run import Finished, ProgramFailed, run
from pileus.ports.image_files import ImageFiles


class RbdDisks:
    """Keeps disks as images of a pool. What has to be a file for a while is below `root`."""

    def __init__(self, name: str, cluster: Cluster, host: str, root: Path) -> None:
        self._name = name
        self._cluster = cluster
        self._host = host
        self._root = root

    async def room(self) -> Room:
        """What the pool has."""
        fsid = await self._ceph("fsid")
        usage = await self._ceph("df")
        total, free = commands.room_in(usage, self._cluster.pool)
        return Room(
            name=self._name,
            driver="rbd",
            total_gib=round(total / GIB, 2),
            free_gib=round(free / GIB, 2),
            shared=f"{msgspec.json.decode(fsid)['fsid']}/{self._cluster.pool}",
            access={"conf": self._cluster.conf, "user": self._cluster.user},
            capabilities={
                "storage_protocol": "ceph",
                "vendor_name": "Pileus",
                "driver_version": "1.0",
                "thin_provisioning_support": True,
                "multiattach": True,
                "online_extend_support": True,
                "QoS_support": True,
            },
        )

    async def held(self, kind: Kind, id: str | None = None) -> Mapping[str, Mapping[int, int]]:
        """Disks of that kind this host is in charge of. Names are listed at once; the size of one is asked for by itself."""
        if id is not None:
            return {id: await self._contents(kind, id)}
        listed = (await self._rbd("ls", "--long", "--format", "json", self._cluster.pool)).out
        found: dict[str, dict[int, int]] = {}
        for each in commands.images_in(listed):
            spot = spot_in(each.image, self._host)
            if spot is not None and spot.kind is kind:
                found.setdefault(spot.id, {})[spot.content] = each.size
        return found

    async def _contents(self, kind: Kind, id: str) -> dict[int, int]:
        listed = (await self._rbd("ls", "--format", "json", self._cluster.pool)).out
        spots = [spot for name in commands.names_in(listed) if (spot := spot_in(name, self._host)) is not None]
        return {spot.content: await self._size(spot) for spot in spots if (spot.kind, spot.id) == (kind, id)}

    async def _size(self, at: Spot) -> int:
        told = (await self._rbd("info", "--format", "json", self._spec(at))).out
        return msgspec.json.decode(told, type=commands.Measured).size

    async def blank(self, at: Spot, size: int) -> None:
        """An image without any objects is there."""
        create = ("create", "--image-feature", commands.FEATURES, "--size", f"{size}B", self._spec(at))
        await self._rbd(*create, also=commands.EXISTS)

    async def copy(self, source: Spot, at: Spot, *, live: bool) -> None:
        """A clone of this moment of the source is there."""
        async with self._moment(source, f"for.{at.name}") as moment:
            clone = ("clone", "--rbd-default-clone-format", "2", "--image-feature", commands.FEATURES)
            await self._rbd(*clone, moment, self._spec(at), also=commands.EXISTS)

    async def fill(self, at: Spot, file: Path) -> None:
        """An image of the file's bytes is there; it has its name when it is whole."""
        part = f"{image_name(at, self._host)}{commands.PART}"
        await self._drop(part)
        whole = ("import", "--image-feature", commands.FEATURES, str(file), self._cluster.spec(part))
        await self._rbd(*whole, deadline_s=COPY_S)
        await self._rbd("rename", self._cluster.spec(part), self._spec(at))

    async def rename(self, source: Spot, at: Spot) -> None:
        """The image has another name; what was cloned of it stays its clone."""
        await self._rbd("rename", self._spec(source), self._spec(at))

    async def grow(self, at: Spot, size: int) -> None:
        """The image has at least that size."""
        if await self._size(at) < size:
            await self._rbd("resize", "--size", f"{size}B", self._spec(at))

    async def remove(self, at: Spot) -> None:
        """The image is gone, or in the trash until what was cloned of it is gone too."""
        await self._drop(image_name(at, self._host))
        await self._empty_trash()

    async def forget(self, kind: Kind, id: str) -> None:
        """No image of the disk is left, whole or not."""
        own = f"{kind}.{id}."
        listed = (await self._rbd("ls", "--format", "json", self._cluster.pool)).out
        for name in commands.names_in(listed):
            if name.startswith(own) and name.removesuffix(commands.PART).endswith(f".{self._host}"):
                await self._drop(name)
        await self._empty_trash()
        await asyncio.to_thread(shutil.rmtree, self._root / kind / id, ignore_errors=True)

    @contextlib.asynccontextmanager
    async def reading(self, at: Spot, spool: Path, *, live: bool) -> AsyncIterator[Path]:
        """A sparse file with the bytes of this moment."""
        copy = spool / f"{at.name}.still"
        await asyncio.to_thread(spool.mkdir, mode=0o700, parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        try:
            reader = hashlib.sha256(str(copy).encode()).hexdigest()[:16]
            async with self._moment(at, f"for.{reader}") as moment:
                await self._rbd("export", moment, str(copy), deadline_s=COPY_S)
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def sibling(self, origin: Origin) -> Disks | None:
        """The same pool as the origin's host sees it, if the origin is in a back end of the same name."""
        if origin.backend not in {None, self._name} or origin.host is None:
            return None
        return RbdDisks(self._name, self._cluster, origin.host, self._root)

    def place(self, at: Spot) -> Place:
        """Pool and image."""
        return Place(self._spec(at))

    # The cluster.

    @contextlib.asynccontextmanager
    async def _moment(self, at: Spot, name: str) -> AsyncIterator[str]:
        """What the disk holds now stays readable while the block lasts."""
        spec = self._cluster.spec(image_name(at, self._host), name)
        # One of that name is what an earlier try that was cut off has left: of a moment long gone.
        await self._rbd("snap", "rm", spec, also=commands.NOT_THERE)
        await self._rbd("snap", "create", spec)
        try:
            yield spec
        finally:
            await self._rbd("snap", "rm", spec, also=commands.NOT_THERE)

    async def _drop(self, image: str) -> None:
        """The image is gone from the pool; it need not be there. What clones hang on is in the trash."""
        spec = self._cluster.spec(image)
        purged = await self._rbd("snap", "purge", spec, also=commands.NOT_THERE)
        if purged.code == commands.NOT_THERE:
            return
        removed = await self._rbd("rm", spec, also=commands.NOT_EMPTY, deadline_s=COPY_S)
        if removed.code == commands.NOT_EMPTY:
            await self._rbd("trash", "mv", spec)

    async def _empty_trash(self) -> None:
        """Nothing of this host's is in the trash but what clones hang on; one that goes may free the next."""
        while True:
            listed = (await self._rbd("trash", "ls", "--format", "json", self._cluster.pool)).out
            own = [each for each in commands.trash_in(listed) if each.name.endswith(f".{self._host}")]
            codes = [
                (await self._rbd("trash", "rm", f"{self._cluster.pool}/{each.id}", also=None, deadline_s=COPY_S)).code
                for each in own
            ]
            if 0 not in codes:
                return

    def _spec(self, at: Spot) -> str:
        return self._cluster.spec(image_name(at, self._host))

    async def _rbd(self, *words: str, also: int | None = 0, deadline_s: float = 60.0) -> Finished:
        """What rbd says; ends other than well and `also` raise DriverError, none where `also` is None."""
        done = await self._ask(self._cluster.rbd(*words), deadline_s=deadline_s)
        if also is not None and done.code not in {0, also}:
            raise DriverError(
                f"rbd {words[0]} failed", commands.last_words(done.err or done.out) or f"exit code {done.code}"
            )
        return done

    async def _ceph(self, word: str) -> str:
        """What ceph says; raises DriverError."""
        done = await self._ask(self._cluster.ceph(word))
        if done.code != 0:
            raise DriverError(f"ceph {word} failed", done.err.strip() or f"exit code {done.code}")
        return done.out

    async def _ask(self, argv: list[str], *, deadline_s: float = 60.0) -> Finished:
        try:
            return await run(argv, deadline_s=deadline_s, check=False)
        except ProgramFailed as failed:
            raise DriverError(f"{argv[0]} failed", failed.why) from failed


class RbdBackend(DiskBackend):
    """A Backend of images in a pool of Ceph; backups and what has to be a file for a while are below `root`."""

    def __init__(
        self, name: str, cluster: Cluster, host: str, root: Path, images: ImageFiles, chunks: Chunks | None = None
    ) -> None:
        disks = RbdDisks(name, cluster, host, root)
        super().__init__(disks, images, root, chunks, RbdClones(cluster, host))

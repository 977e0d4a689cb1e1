"""Image bytes in a pool of Ceph, where volumes of the same cluster are clones of them, made in a moment.

    [pool]/<beginning>.<name>.part     while they arrive
    [pool]/<beginning>.<name>@snap     what is read and cloned, once all is there; never changed

The distribution's own programs speak with the cluster, each in a process of its own: a cluster that does not answer holds up
nothing but them. Who reads is known to the cluster, so an image that is deleted meanwhile, by whichever controller, stays
until he has ended; one that volumes were cloned of stays in the pool's trash until the last of them is gone.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path

import msgspec

from pileus.image.drivers.interface import Incoming, StoreIsFull, Unreadable
from pileus.kit.run import Finished, ProgramFailed, run
from pileus.kit.timely import timely

SNAP = "snap"  # what others who share the cluster expect it to be called
PART = ".part"
FEATURES = "layering,exclusive-lock,object-map,fast-diff,deep-flatten"
NOT_THERE, EXISTS, NOT_EMPTY, BUSY = 2, 17, 39, 16  # errno(3), which rbd ends with
ANSWER_S, COPY_S, STALL_S = 60.0, 6 * 3600.0, 120.0
CHUNK = 1 << 20
READER = Path(__file__).with_name("rbd_reader.py")
PYTHON = "/usr/bin/python3"  # the distribution's, which has librbd: ceph-common brings it along
OWN = re.compile(r"[0-9a-f-]{36}\.[0-9a-f]{8}")  # what images are called in stores


class Pool(msgspec.Struct, frozen=True):
    """Which pool of which Ceph, as whom, and how the names of images begin there."""

    pool: str
    conf: str
    user: str
    beginning: str

    def rbd(self, *words: str) -> list[str]:
        """A command of rbd."""
        return ["rbd", "--conf", self.conf, "--id", self.user, *words]

    def image(self, name: str) -> str:
        """What the image is called in the pool."""
        return f"{self.beginning}.{name}"

    def spec(self, name: str, end: str = "") -> str:
        """Pool and image, and its snapshot or that it is not whole."""
        return f"{self.pool}/{self.image(name)}{end}"

    def name_of(self, image: str) -> str | None:
        """The name of one of ours, whole or not; None for what is another's."""
        name = image.removeprefix(f"{self.beginning}.").removesuffix(PART)
        return name if image.startswith(f"{self.beginning}.") and OWN.fullmatch(name) else None


class _Trashed(msgspec.Struct):
    id: str
    name: str


class _Status(msgspec.Struct):
    watchers: list[msgspec.Raw] = []


def last_words(text: str) -> str:
    """What a program said when it failed, without how far it had come."""
    lines = text.replace("\r", "\n").splitlines()
    return " ".join(line for line in lines if "% complete" not in line).strip()[-300:]


class IncomingImage:
    """An image on its way into the pool, through the program that writes it."""

    def __init__(self, store: "RbdStore", name: str, writer: asyncio.subprocess.Process) -> None:
        self._store = store
        self._name = name
        self._writer = writer

    async def write(self, chunks: Sequence[bytes]) -> None:
        """The program has the chunks; raises StoreIsFull, or Unreadable where the cluster takes nothing."""
        assert self._writer.stdin is not None, "it was started with a pipe"
        try:
            self._writer.stdin.writelines(chunks)
            await timely(self._writer.stdin.drain(), STALL_S)
        except TimeoutError as late:
            raise Unreadable(f"the cluster took nothing for {STALL_S:g} s") from late
        except OSError:
            await self._ended()
            raise Unreadable("rbd import went away") from None

    async def _ended(self) -> None:
        """The program has written all it was given; raises StoreIsFull or Unreadable."""
        try:
            _, err = await timely(self._writer.communicate(b""), STALL_S)
        except TimeoutError as late:
            raise Unreadable(f"the cluster took nothing for {STALL_S:g} s") from late
        if self._writer.returncode:
            why = last_words(err.decode(errors="replace")) or f"rbd import ended with {self._writer.returncode}"
            raise StoreIsFull(why) if "No space left" in why or "quota" in why else Unreadable(why)

    async def keep(self) -> None:
        """All bytes are in the cluster, and are what is read and cloned from now on."""
        await self._ended()
        await self._store.finish(self._name)

    async def drop(self) -> None:
        """The program is gone, and what it wrote."""
        try:
            # It ends by itself when nothing more comes. One that is killed counts as a reader of its image for half a minute.
            await timely(self._writer.communicate(b""), ANSWER_S)
        except TimeoutError:
            self._writer.kill()
            await self._writer.communicate()
        await self._store.remove(self._name)


class RbdStore:
    """A pool of images."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, name: str) -> Incoming:
        """A new image that is not called what it will be."""
        await self.remove(name)
        words = ("import", "--no-progress", "--image-feature", FEATURES, "-", self._pool.spec(name, PART))
        return IncomingImage(self, name, await _started(self._pool.rbd(*words), stdin=asyncio.subprocess.PIPE))

    async def finish(self, name: str) -> None:
        """What arrived is an image with a snapshot, under its name."""
        await self._rbd("snap", "create", "--no-progress", f"{self._pool.spec(name, PART)}@{SNAP}", also=(EXISTS,))
        await self._rbd("rename", self._pool.spec(name, PART), self._pool.spec(name))

    async def read(self, name: str, start: int, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start`."""
        where = (self._pool.conf, self._pool.user, self._pool.pool, self._pool.image(name), SNAP)
        words = (PYTHON, "-I", str(READER), *where, str(start), str(-1 if length is None else length))
        reader = await _started(words, stdout=asyncio.subprocess.PIPE)
        assert reader.stdout is not None, "it was started with a pipe"
        left = length
        try:
            while chunk := await timely(reader.stdout.read(CHUNK), STALL_S):
                left = None if left is None else left - len(chunk)
                yield chunk
            _, err = await timely(reader.communicate(), ANSWER_S)
        except TimeoutError as late:
            raise Unreadable(f"nothing came from the cluster for {STALL_S:g} s") from late
        finally:
            with contextlib.suppress(ProcessLookupError):
                reader.kill()
            await reader.communicate()
        if reader.returncode or left:
            raise Unreadable(last_words(err.decode(errors="replace")) or f"{left} bytes are missing at the end")

    async def copy(self, name: str, destination: Path) -> None:
        """The bytes are in `destination`; what is nothing but zeros takes no room there."""
        destination.unlink(missing_ok=True)
        spec = f"{self._pool.spec(name)}@{SNAP}"
        await self._rbd("export", "--no-progress", spec, str(destination), deadline_s=COPY_S)

    async def exists(self, name: str) -> bool:
        """Whether the image is there."""
        try:
            return (await self._rbd("info", self._pool.spec(name), also=(NOT_THERE,))).code == 0
        except Unreadable:
            return False

    def url(self, name: str) -> str:
        """The image's snapshot, as whoever shares the cluster names it; shorter where nothing tells which cluster it is."""
        place = f"{self._pool.pool}/{self._pool.image(name)}/{SNAP}"
        cluster = self.cluster()
        return f"rbd://{cluster}/{place}" if cluster else f"rbd://{place}"

    def cluster(self) -> str | None:
        """The cluster's id, if its configuration tells."""
        try:
            text = Path(self._pool.conf).read_text(errors="replace")
        except OSError:
            return None
        found = re.search(r"^\s*fsid\s*=\s*([0-9a-fA-F-]{36})\s*$", text, re.MULTILINE)
        return found[1] if found else None

    async def remove(self, name: str) -> None:
        """No image has the name; one that somebody reads stays for the sweep, and what volumes hang on is in the trash."""
        await self._drop(self._pool.spec(name, PART))
        await self._drop(self._pool.spec(name))
        await self._empty_trash()

    async def _drop(self, spec: str) -> None:
        status = await self._rbd("status", "--format", "json", spec, also=(NOT_THERE,))
        if status.code == NOT_THERE or msgspec.json.decode(status.out, type=_Status).watchers:
            return
        await self._rbd("snap", "purge", "--no-progress", spec, also=(NOT_THERE,))
        removed = await self._rbd("rm", "--no-progress", spec, also=(NOT_THERE, NOT_EMPTY, BUSY), deadline_s=COPY_S)
        if removed.code == NOT_EMPTY:
            await self._rbd("trash", "mv", spec)

    async def _empty_trash(self) -> None:
        """Nothing of ours is in the trash but what volumes hang on."""
        listed = (await self._rbd("trash", "ls", "--format", "json", self._pool.pool)).out
        for each in msgspec.json.decode(listed, type=list[_Trashed]):
            if self._pool.name_of(each.name) is not None:
                await self._ask("trash", "rm", "--no-progress", f"{self._pool.pool}/{each.id}", deadline_s=COPY_S)

    async def names(self) -> Collection[str]:
        """The names of all images, those being written too. Who asks is the sweep, so the trash is seen to as well."""
        await self._empty_trash()
        listed = (await self._rbd("ls", "--format", "json", self._pool.pool)).out
        images = msgspec.json.decode(listed, type=list[str])
        return {name for image in images if (name := self._pool.name_of(image)) is not None}

    async def _rbd(self, *words: str, also: Sequence[int] = (), deadline_s: float = ANSWER_S) -> Finished:
        """What rbd says; raises Unreadable for ends other than well and `also`."""
        done = await self._ask(*words, deadline_s=deadline_s)
        if done.code not in {0, *also}:
            raise Unreadable(f"rbd {words[0]}: {last_words(done.err or done.out) or f'exit code {done.code}'}")
        return done

    async def _ask(self, *words: str, deadline_s: float) -> Finished:
        try:
            return await run(self._pool.rbd(*words), deadline_s=deadline_s, check=False)
        except ProgramFailed as failed:
            raise Unreadable(str(failed)) from failed


async def _started(
    argv: Sequence[str], *, stdin: int = asyncio.subprocess.DEVNULL, stdout: int = asyncio.subprocess.DEVNULL
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv, stdin=stdin, stdout=stdout, stderr=asyncio.subprocess.PIPE, limit=4 * CHUNK, start_new_session=True
        )
    except OSError as failed:
        raise Unreadable(f"{argv[0]} cannot be started: {failed.strerror}") from failed

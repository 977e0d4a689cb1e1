"""The storage server of another host, as proxies and workers call it."""

from collections.abc import Mapping, Sequence
from typing import Any

import h11
import msgspec

from pileus.kit.hosts.wire import BadMessage, Wire
from pileus.object_store.disk.accounts import AccountFacts
from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.models.listings import ContainerRow, Entry, ObjectRow, Wanted
from pileus.object_store.models.paths import Path
from pileus.object_store.models.shards import Shape, Shard
from pileus.object_store.ring.places import Place
from pileus.object_store.storage.far.calls import HEAD, HEADS, VERBS, WHAT, framed, grown, problem_of
from pileus.object_store.storage.far.lines import Lines, abort, answered, head
from pileus.object_store.storage.far.sessions import FarFound, FarUpload, send_bytes
from pileus.object_store.storage.interface import (
    AccountBook,
    ContainerBook,
    Found,
    FoundFile,
    Held,
    Spot,
    Told,
    Upload,
)


class _Room:
    """One kind of calls to one host."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    async def _call(self, target: str, *arguments: object) -> Any:
        answer = await self._lines.call(target, msgspec.json.encode(arguments))
        return VERBS[target].result.decode(answer)

    async def _opened(self, target: str, *arguments: object) -> FarFound:
        answer, wire = await self._lines.begin(target, msgspec.json.encode(arguments))
        (length,) = HEAD.unpack_from(answer)
        about = HEADS.decode(answer[HEAD.size : HEAD.size + length])
        if not about.more:
            self._lines.give(wire)
        return FarFound(self._lines, wire if about.more else None, about, answer[HEAD.size + length :])


class FarObjects(_Room):
    """Objects on another host."""

    async def upload(self, spot: Spot, size: int | None) -> Upload:
        """Room for an object's bytes."""
        _, wire = await self._lines.begin("objects/upload", msgspec.json.encode((spot, size)))
        return FarUpload(self._lines, wire)

    async def open(self, spot: Spot, *, whole: bool = True) -> Found:
        """The object, ready to be read; of a small one the bytes came along."""
        return await self._opened("objects/open", spot, whole)

    async def update(self, spot: Spot, stamp: str, metadata: Mapping[str, str], told: Told | None) -> dict[str, str]:
        """The object's metadata is this; return what was before."""
        before: dict[str, str] = await self._call("objects/update", spot, stamp, metadata, told)
        return before

    async def delete(self, spot: Spot, stamp: str, name: str, told: Told | None) -> str | None:
        """The object is deleted as of the stamp; return the stamp of the bytes that were there."""
        gone: str | None = await self._call("objects/delete", spot, stamp, name, told)
        return gone

    async def claim(self, spot: Spot, seconds: float) -> bool:
        """The object is claimed for so long by whom the spot names; False when it is claimed or written by others."""
        held: bool = await self._call("objects/claim", spot, seconds)
        return held

    async def release(self, spot: Spot) -> None:
        """The claim is not held any more."""
        await self._call("objects/release", spot)

    async def held(self, spot: Spot) -> Held:
        """Which fragments are there."""
        found: Held = await self._call("objects/held", spot)
        return found

    async def fragment(self, spot: Spot, stamp: str, number: int) -> Found:
        """A fragment, ready to be read."""
        return await self._opened("objects/fragment", spot, stamp, number)

    async def commit(self, spot: Spot, stamp: str, number: int, told: Told | None) -> None:
        """A fragment counts, and the container knows or will."""
        await self._call("objects/commit", spot, stamp, number, told)


class FarContainers(_Room):
    """Containers on another host."""

    async def put(
        self, place: Place, path: Path, said: Mapping[str, str], stamp: str, policy: int | None, default: int
    ) -> bool:
        """The container is there and its account knows it; return whether it was not before."""
        fresh: bool = await self._call("containers/put", place, path, said, stamp, policy, default)
        return fresh

    async def post(self, place: Place, path: Path, said: Mapping[str, str], stamp: str) -> None:
        """The container's metadata is so."""
        await self._call("containers/post", place, path, said, stamp)

    async def delete(self, place: Place, path: Path, stamp: str) -> None:
        """The container is gone and its account knows."""
        await self._call("containers/delete", place, path, stamp)

    async def facts(self, place: Place, path: Path) -> ContainerFacts:
        """What the container knows of itself."""
        found: ContainerFacts = await self._call("containers/facts", place, path)
        return found

    async def listed(self, place: Place, path: Path, wanted: Wanted) -> tuple[ContainerFacts, list[Entry]]:
        """The container and part of its listing."""
        facts, entries = await self._call("containers/listed", place, path, wanted)
        return facts, grown(entries)

    async def merge(self, place: Place, path: Path, rows: Sequence[ObjectRow]) -> None:
        """The listing knows these objects, durably; the account hears of it soon."""
        await self._call("containers/merge", place, path, rows)

    async def row(self, place: Place, path: Path, name: str) -> ObjectRow | None:
        """What the listing knows of one object, a deleted one included."""
        found: ObjectRow | None = await self._call("containers/row", place, path, name)
        return found

    async def shape(self, place: Place, path: Path) -> Shape:
        """How the container is divided into shards."""
        found: Shape = await self._call("containers/shape", place, path)
        return found

    async def reshape(self, place: Place, path: Path, shards: Sequence[Shard]) -> None:
        """The container has these shards, each as it was decided last."""
        await self._call("containers/reshape", place, path, shards)

    async def tally(self, place: Place, path: Path, name: str, count: int, size: int, stamp: str) -> None:
        """A shard of the container holds so much; the account hears of it soon."""
        await self._call("containers/tally", place, path, name, count, size, stamp)


class FarAccounts(_Room):
    """Accounts on another host."""

    async def put(self, place: Place, path: Path, said: Mapping[str, str], stamp: str) -> bool:
        """The account is there; return whether it was not before."""
        fresh: bool = await self._call("accounts/put", place, path, said, stamp)
        return fresh

    async def post(self, place: Place, path: Path, said: Mapping[str, str], stamp: str) -> None:
        """The account's metadata is so."""
        await self._call("accounts/post", place, path, said, stamp)

    async def delete(self, place: Place, path: Path, stamp: str) -> None:
        """The account is gone; the reaper removes what was in it."""
        await self._call("accounts/delete", place, path, stamp)

    async def facts(self, place: Place, path: Path, *, deleted_too: bool = False) -> AccountFacts:
        """What the account knows of itself."""
        found: AccountFacts = await self._call("accounts/facts", place, path, deleted_too)
        return found

    async def listed(self, place: Place, path: Path, wanted: Wanted) -> tuple[AccountFacts, list[Entry]]:
        """The account and part of its listing."""
        facts, entries = await self._call("accounts/listed", place, path, wanted)
        return facts, grown(entries)

    async def merge(self, place: Place, path: Path, rows: Sequence[ContainerRow]) -> None:
        """The listing knows these containers, durably."""
        await self._call("accounts/merge", place, path, rows)


class FarReplicas(_Room):
    """Files and ledgers of another host, as replicators see them."""

    async def suffixes(self, place: Place, policy: int) -> dict[str, str]:
        """The hash of each suffix of a partition."""
        found: dict[str, str] = await self._call("replicas/suffixes", place, policy)
        return found

    async def names(self, place: Place, policy: int, suffix: str) -> list[str]:
        """The files of a suffix that count."""
        found: list[str] = await self._call("replicas/names", place, policy, suffix)
        return found

    async def read(self, place: Place, policy: int, name: str) -> FoundFile:
        """A file, open; raises Missing."""
        return await self._opened("replicas/read", place, policy, name)

    async def take(self, place: Place, policy: int, name: str, file: FoundFile) -> None:
        """The file is there too, durably, unless something newer is."""
        _, wire = await self._lines.begin("session/close", b"")
        try:
            status, answer = await self._taken(wire, (place, policy, name, file.metadata, file.size), file)
        except BadMessage as broken:
            abort(wire)
            raise self._lines.failed(str(broken)) from broken
        except BaseException:
            abort(wire)
            raise
        self._lines.give(wire)
        if status >= 400:
            raise problem_of(self._lines.host, answer)

    async def _taken(self, wire: Wire, about: tuple[object, ...], file: FoundFile) -> tuple[int, bytes]:
        wire.state.start_next_cycle()
        await wire.send(head("replicas/take", None), h11.Data(data=framed(WHAT, msgspec.json.encode(about))))
        async for chunk in file.read(0, file.size):
            await send_bytes(self._lines, wire, chunk)
        await self._lines.timely(wire.send(h11.EndOfMessage()))
        return await self._lines.timely(answered(wire))

    async def take_container(self, place: Place, book: ContainerBook) -> None:
        """The container's ledger there knows what ours does."""
        await self._call("replicas/take_container", place, book)

    async def take_account(self, place: Place, book: AccountBook) -> None:
        """The account's ledger there knows what ours does."""
        await self._call("replicas/take_account", place, book)

    async def heard(self, place: Place, account: str, container: str | None, teller: str) -> int:
        """Up to which row a replica was told everything by another; -1 when it is not there."""
        found: int = await self._call("replicas/heard", place, account, container, teller)
        return found


class FarServer:
    """All that another host does for object storage."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.objects = FarObjects(lines)
        self.containers = FarContainers(lines)
        self.accounts = FarAccounts(lines)
        self.replicas = FarReplicas(lines)

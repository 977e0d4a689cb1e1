"""What a container server asks of a container's shards, and they of it: as any other asks, wherever they are."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from pileus.object_store.disk.containers import ContainerFacts, Strays
from pileus.object_store.errors import StorageProblem, Unreachable
from pileus.object_store.models.listings import Entry, ObjectRow, Subdir, Wanted
from pileus.object_store.models.paths import Path
from pileus.object_store.models.shards import Piece, joined
from pileus.object_store.ring.places import Place
from pileus.object_store.ring.rings import Rings
from pileus.object_store.storage.interface import Containers, Servers

Told = TypeVar("Told")
FURTHER = 8
Call = Callable[[Containers, Place], Awaitable[Told]]


class Divided:
    """The shards of containers, as the machine that keeps the containers reaches them."""

    def __init__(self, rings: Rings) -> None:
        self._rings = rings
        self.servers: Servers | None = None

    async def forward(self, place: Place, strays: Strays) -> None:
        """The shards know these rows: of each the replica that is this place's partner, or another."""
        for path, rows in strays.items():
            await self._first(place, path, lambda there, at, path=path, rows=rows: there.merge(at, path, rows))  # type: ignore[misc]

    async def listed(self, place: Place, parts: Sequence[tuple[Piece, list[Entry]]], wanted: Wanted) -> list[Entry]:
        """A listing, of what is here and in shards."""
        found: list[Entry] = []
        for piece, here in parts:
            if len(found) >= wanted.limit:
                break
            if found and isinstance(found[-1], Subdir) and piece.within(found[-1].name):
                continue
            part = piece.part(wanted)
            if piece.shard is None or part is None:
                joined(found, here, wanted)
                continue
            # One more, as the first may be below what was listed last.
            part = msgspec.structs.replace(part, limit=wanted.limit - len(found) + bool(wanted.delimiter))
            joined(found, await self._part(place, piece.shard.path, part), wanted)
        return found

    async def row(self, place: Place, path: Path, name: str) -> ObjectRow | None:
        """What a shard knows of one object."""
        return await self._any(place, path, lambda there, at: there.row(at, path, name))

    async def facts(self, place: Place, path: Path) -> ContainerFacts:
        """What a shard knows of itself."""
        return await self._any(place, path, lambda there, at: there.facts(at, path))

    async def tell_root(self, place: Place, root: Path, name: str, held: tuple[int, int, str]) -> None:
        """The container that a shard is of knows how much it holds, and since when."""
        places = self._rings.places(root)
        for at in places if place.index is None else [places[place.index % len(places)]]:
            await self._of(at).tally(at, root, name, *held)

    async def _part(self, place: Place, path: Path, part: Wanted) -> list[Entry]:
        _, entries = await self._any(place, path, lambda there, at: there.listed(at, path, part))
        return entries

    async def _any(self, place: Place, path: Path, call: Call[Told]) -> Told:
        """What a replica of a shard says; while rings change it may be where it was before."""
        handoffs = self._rings.containers.handoffs(self._rings.containers.partition(self._rings.hash(path)))
        return await self._asked([*self._partners(place, path), *islice(handoffs, FURTHER)], path, call)

    async def _first(self, place: Place, path: Path, call: Call[Told]) -> Told:
        return await self._asked(self._partners(place, path), path, call)

    async def _asked(self, places: Sequence[Place], path: Path, call: Call[Told]) -> Told:
        """What the first that can says. A shard that is nowhere is not known to be empty, so it is no Missing that is raised."""
        failed: StorageProblem | None = None
        for at in places:
            try:
                return await call(self._of(at), at)
            except StorageProblem as problem:
                failed = problem
        why = failed.message if failed is not None else "the rings are not known"
        raise Unreachable(server=f"of shard {path.container}", why=why) from failed

    def _partners(self, place: Place, path: Path) -> list[Place]:
        places = self._rings.places(path)
        first = (place.index or 0) % max(1, len(places))
        return [*places[first:], *places[:first]]

    def _of(self, at: Place) -> Containers:
        assert self.servers is not None
        return self.servers.of(at).containers

"""Shards: the parts of a container that is too large for one ledger. Each is a hidden container, for a range of names."""

from collections.abc import Iterable, Sequence

import msgspec

from pileus.object_store.models.listings import Entry, Subdir, Wanted, after
from pileus.object_store.models.paths import Path

ACCOUNT = "\0shards\0"  # what shards' accounts begin with, before the account of the container they are of
ROOT = "x-container-sysmeta-shard-root"  # the container a shard is of, as a URL has it
ASKED = "x-container-sysmeta-sharding"  # somebody wants the container sharded, with so many rows a shard


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """A range of a container's names, and the hidden container that has them."""

    account: str
    name: str
    lower: str = ""  # names after this one
    upper: str = ""  # up to and with this one; empty: no end
    stamp: str = ""  # when this was decided; the latest counts
    deleted: bool = False
    absorbing: bool = False  # it takes what is left of a shard that is given up; what it has counts elsewhere
    into: str = ""  # it is given up, and this one takes what it has
    count: int = 0
    bytes: int = 0
    reported: str = ""  # when it held that

    @property
    def path(self) -> Path:
        """The container it is."""
        return Path(self.account, self.name)

    def has(self, name: str) -> bool:
        """Whether a name is in its range."""
        return self.lower < name and (not self.upper or name <= self.upper)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How one replica of a container is divided: shards, and up to which name they have what it had."""

    shards: Sequence[Shard] = ()
    frontier: str = ""
    whole: bool = False  # nothing is left in this ledger

    def of(self, name: str) -> Shard | None:
        """The shard that has a name; None when this ledger has it."""
        if not self.whole and name > self.frontier:
            return None
        return next((shard for shard in self.shards if not shard.deleted and shard.has(name)), None)

    def pieces(self) -> list["Piece"]:
        """Who has which names, from the first to the last, without gaps."""
        found: list[Piece] = []
        at = ""
        for shard in sorted((one for one in self.shards if not one.deleted), key=lambda one: one.lower):
            if not self.whole and shard.lower >= self.frontier:
                break
            if shard.lower > at:
                found.append(Piece(at, shard.lower, None))
            end = shard.upper
            if not self.whole and (not end or end > self.frontier):
                end = self.frontier
            if not end or end > at:
                found.append(Piece(max(at, shard.lower), end, shard))
                at = end
            if not end:
                return found
        return [*found, Piece(at, "", None)]


class Piece(msgspec.Struct, frozen=True):
    """A range of names, and the shard that has it; None: the ledger itself."""

    lower: str
    upper: str
    shard: Shard | None

    def part(self, wanted: Wanted) -> Wanted | None:
        """What of a listing is in this range; None when there is nothing."""
        low, high = (wanted.end_marker, wanted.marker) if wanted.reverse else (wanted.marker, wanted.end_marker)
        low = max(low, self.lower)
        if self.upper and (not high or self.upper + "\0" < high):
            high = self.upper + "\0"  # that one is in
        if (high and high <= low) or (wanted.prefix and self._beside(wanted.prefix)):
            return None
        ends = {"marker": high, "end_marker": low} if wanted.reverse else {"marker": low, "end_marker": high}
        return msgspec.structs.replace(wanted, **ends)

    def _beside(self, prefix: str) -> bool:
        """Whether no name that begins so is in the range."""
        beyond = after(prefix)
        return (bool(self.upper) and self.upper < prefix) or (bool(beyond) and self.lower >= beyond)

    def within(self, subdir: str) -> bool:
        """Whether all its names are below one that was listed already."""
        beyond = after(subdir)
        return self.lower >= subdir and bool(self.upper) and bool(beyond) and self.upper < beyond


def joined(found: list[Entry], more: Iterable[Entry], wanted: Wanted) -> list[Entry]:
    """A listing so far, and what follows; what is below one name is told once."""
    for entry in more:
        if isinstance(entry, Subdir) and (entry.name == wanted.marker or (found and found[-1] == entry)):
            continue
        if len(found) < wanted.limit:
            found.append(entry)
    return found

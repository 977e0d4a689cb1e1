"""What a storage server does for proxies and workers: the same calls in this process and, from afar, over HTTP.

Places come from rings. Everything may be repeated, and raises errors of pileus.object_store.errors: Missing, Superseded,
Exists, DeviceUnusable (507), Unreachable.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import msgspec

from pileus.object_store.disk.accounts import AccountFacts
from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.models.listings import ContainerRow, Entry, ObjectRow, Wanted
from pileus.object_store.models.paths import Path
from pileus.object_store.models.shards import Shape, Shard
from pileus.object_store.ring.places import Place


class Spot(msgspec.Struct, frozen=True):
    """Where one copy of an object is: a place of its policy's ring, and the object's hash."""

    place: Place
    policy: int
    hash: str
    claim: str = ""  # under which it is written


class Told(msgspec.Struct, frozen=True):
    """What the object's container is to be told once the object is durable."""

    container: Path
    row: ObjectRow


class Fragment(msgspec.Struct, frozen=True):
    """A fragment of an object that is on a device."""

    stamp: str
    number: int
    durable: bool


class Held(msgspec.Struct, frozen=True):
    """What a device has of an object of an erasure code: fragments, or when it was deleted."""

    fragments: tuple[Fragment, ...] = ()
    gone: str = ""


class Found(Protocol):
    """A copy of an object that can be read; it stays whole until it is closed."""

    metadata: dict[str, str]
    size: int
    stamp: str
    changed: str

    def read(self, start: int, length: int) -> AsyncIterator[bytes]: ...
    async def close(self) -> None: ...


class Upload(Protocol):
    """Bytes on their way to one device."""

    async def write(self, *chunks: bytes) -> None: ...
    async def keep(
        self,
        stamp: str,
        metadata: Mapping[str, str],
        told: Told | None,
        *,
        only_new: bool,
        fragment: int | None = None,
    ) -> None: ...
    async def drop(self) -> None: ...


class Objects(Protocol):
    """Object servers."""

    async def upload(self, spot: Spot, size: int | None) -> Upload: ...
    async def open(self, spot: Spot, *, whole: bool = True) -> Found: ...
    async def update(
        self, spot: Spot, stamp: str, metadata: Mapping[str, str], told: Told | None
    ) -> dict[str, str]: ...
    async def delete(self, spot: Spot, stamp: str, name: str, told: Told | None) -> str | None: ...
    async def claim(self, spot: Spot, seconds: float) -> bool: ...
    async def release(self, spot: Spot) -> None: ...
    async def held(self, spot: Spot) -> Held: ...
    async def fragment(self, spot: Spot, stamp: str, number: int) -> Found: ...
    async def commit(self, spot: Spot, stamp: str, number: int, told: Told | None) -> None: ...


class Containers(Protocol):
    """Container servers."""

    async def put(
        self, place: Place, path: Path, said: Mapping[str, str], stamp: str, policy: int | None, default: int
    ) -> bool: ...
    async def post(self, place: Place, path: Path, said: Mapping[str, str], stamp: str) -> None: ...
    async def delete(self, place: Place, path: Path, stamp: str) -> None: ...
    async def facts(self, place: Place, path: Path) -> ContainerFacts: ...
    async def listed(self, place: Place, path: Path, wanted: Wanted) -> tuple[ContainerFacts, list[Entry]]: ...
    async def merge(self, place: Place, path: Path, rows: Sequence[ObjectRow]) -> None: ...
    async def row(self, place: Place, path: Path, name: str) -> ObjectRow | None: ...
    async def shape(self, place: Place, path: Path) -> Shape: ...
    async def reshape(self, place: Place, path: Path, shards: Sequence[Shard]) -> None: ...
    async def tally(self, place: Place, path: Path, name: str, count: int, size: int, stamp: str) -> None: ...


class Accounts(Protocol):
    """Account servers."""

    async def put(self, place: Place, path: Path, said: Mapping[str, str], stamp: str) -> bool: ...
    async def post(self, place: Place, path: Path, said: Mapping[str, str], stamp: str) -> None: ...
    async def delete(self, place: Place, path: Path, stamp: str) -> None: ...
    async def facts(self, place: Place, path: Path, *, deleted_too: bool = False) -> AccountFacts: ...
    async def listed(self, place: Place, path: Path, wanted: Wanted) -> tuple[AccountFacts, list[Entry]]: ...
    async def merge(self, place: Place, path: Path, rows: Sequence[ContainerRow]) -> None: ...


class FoundFile(Protocol):
    """A file of an object, and its record."""

    metadata: dict[str, str]
    size: int

    def read(self, start: int, length: int) -> AsyncIterator[bytes]: ...
    async def close(self) -> None: ...


class Heard(msgspec.Struct, frozen=True):
    """Up to which of its rows one ledger has told another everything."""

    teller: str
    upto: int


class ContainerBook(msgspec.Struct, frozen=True):
    """What one replica of a container tells another: what it knows of the container, and rows."""

    facts: ContainerFacts
    said: Mapping[str, tuple[str, str]]  # metadata, each with its stamp
    rows: Sequence[ObjectRow]
    shape: Shape = Shape()
    heard: Heard | None = None


class AccountBook(msgspec.Struct, frozen=True):
    """What one replica of an account tells another."""

    facts: AccountFacts
    said: Mapping[str, tuple[str, str]]
    rows: Sequence[ContainerRow]
    heard: Heard | None = None


class Replicas(Protocol):
    """What replicators compare and hand over: files of objects as they are, and rows of ledgers."""

    async def suffixes(self, place: Place, policy: int) -> dict[str, str]: ...
    async def names(self, place: Place, policy: int, suffix: str) -> list[str]: ...
    async def read(self, place: Place, policy: int, name: str) -> FoundFile: ...
    async def take(self, place: Place, policy: int, name: str, file: FoundFile) -> None: ...
    async def take_container(self, place: Place, book: ContainerBook) -> None: ...
    async def take_account(self, place: Place, book: AccountBook) -> None: ...
    async def heard(self, place: Place, account: str, container: str | None, teller: str) -> int: ...


class StorageServer(Protocol):
    """All that one machine does for object storage."""

    @property
    def objects(self) -> Objects: ...
    @property
    def containers(self) -> Containers: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def replicas(self) -> Replicas: ...


class Servers(Protocol):
    """Who serves which place."""

    def of(self, place: Place) -> StorageServer: ...

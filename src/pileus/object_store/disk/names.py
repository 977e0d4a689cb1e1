"""The names of an object's files, and which of them count.

    <partition>/<suffix>/<hash>-<stamp>.data      the bytes, with their record
    <partition>/<suffix>/<hash>-<stamp>-<n>.data  likewise, fragment n of an erasure code; `-d` after n: durable
    <partition>/<suffix>/<hash>-<stamp>.meta      a record alone: metadata that came after the bytes
    <partition>/<suffix>/<hash>-<stamp>.ts        a tombstone: deleted

Nothing is ever written to under its name. What is newest counts, so that two machines agree however late they hear of
things; what is older is removed once what is newer is durable.
"""

from collections.abc import Iterable

import msgspec

DATA, META, TOMBSTONE = ".data", ".meta", ".ts"


class Named(msgspec.Struct, frozen=True):
    """A file's name, taken apart."""

    name: str
    hash: str
    stamp: str
    kind: str
    fragment: int | None = None
    durable: bool = True


class Files(msgspec.Struct, frozen=True):
    """Which of an object's files count: bytes and the metadata that came after them, or a tombstone, or nothing."""

    data: Named | None = None
    meta: Named | None = None
    tombstone: Named | None = None
    fragments: tuple[Named, ...] = ()  # of an erasure code: all durable ones as new as `data`, which is the first
    pending: tuple[Named, ...] = ()  # fragments that may yet become durable
    obsolete: tuple[str, ...] = ()

    @property
    def newest(self) -> str:
        """The stamp of the last change; empty when there is nothing."""
        return max((one.stamp for one in (self.data, self.meta, self.tombstone) if one is not None), default="")


def suffix_of(hash: str) -> str:
    """The directory of a partition that an object's files are in: one of 256."""
    return hash[-2:]


def file_name(hash: str, stamp: str, kind: str, fragment: int | None = None, *, durable: bool = True) -> str:
    """The name of an object's file."""
    tail = "" if fragment is None else f"-{fragment}-d" if durable else f"-{fragment}"
    return f"{hash}-{stamp}{tail}{kind}"


def named(name: str) -> Named | None:
    """A file's name, taken apart; None when it is none of ours."""
    stem, dot, extension = name.rpartition(".")
    parts = stem.split("-")
    if not dot or len(parts) < 2 or len(parts[0]) != 32 or f".{extension}" not in {DATA, META, TOMBSTONE}:
        return None
    fragment = int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else None
    return Named(name, parts[0], parts[1], f".{extension}", fragment, fragment is None or len(parts) > 3)


def counting(names: Iterable[str]) -> Files:
    """Which of one object's files count."""
    found = sorted(
        (one for one in map(named, names) if one is not None), key=lambda one: (one.stamp, one.fragment or 0)
    )
    data = tombstone = meta = None
    fragments: list[Named] = []
    waiting: list[Named] = []
    for one in found:
        if one.kind == META:
            meta = one
        elif one.kind == TOMBSTONE:
            data, tombstone, fragments = None, one, []
        elif not one.durable:
            waiting.append(one)
        elif data is not None and one.fragment is not None and one.stamp == data.stamp:
            fragments.append(one)
        else:
            data, tombstone, fragments = one, None, [one] if one.fragment is not None else []
    if meta is not None and (data is None or meta.stamp <= data.stamp):
        meta = None
    newest = max((one.stamp for one in (data, tombstone) if one is not None), default="")
    pending = [one for one in waiting if one.stamp > newest or (data is not None and one.stamp == data.stamp)]
    kept = {one.name for one in (data, meta, tombstone, *fragments, *pending) if one is not None}
    obsolete = tuple(one.name for one in found if one.name not in kept)
    return Files(data, meta, tombstone, tuple(fragments), tuple(pending), obsolete)

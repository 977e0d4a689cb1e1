"""How a call looks between machines: arguments as a JSON array in the order of the Protocol's method, problems by name.

The Protocols of storage/interface.py are the one declaration: both ends read the types of arguments and answers off them.
"""

import inspect
import struct
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pileus.object_store.disk.accounts import AccountFacts
from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.errors import (
    Corrupt,
    DeviceUnusable,
    Exists,
    Missing,
    NotEmpty,
    StorageProblem,
    Superseded,
    Unmet,
    Unreachable,
    WrongPolicy,
)
from pileus.object_store.models.listings import ContainerRow, Entry, ObjectRow, Subdir
from pileus.object_store.ring.places import Place
from pileus.object_store.storage.interface import Accounts, Containers, Objects, Replicas, Told

KINDS: Mapping[str, type[StorageProblem]] = {
    kind.__name__: kind
    for kind in (
        Corrupt,
        DeviceUnusable,
        Exists,
        Missing,
        NotEmpty,
        StorageProblem,
        Superseded,
        Unmet,
        Unreachable,
        WrongPolicy,
    )
}
INLINE = 1 << 16  # bytes of an object that come with the answer to `open`
HEAD = struct.Struct(">I")
FRAME = struct.Struct(">cI")  # what it is, how long
BYTES, WHAT = b"B", b"W"  # frames: bytes of a body; JSON that says what it is about, or what is to become of it
# Unions of plain structs cannot be told apart, so subdirectories of listings are told by their names alone.
RESULTS: Mapping[tuple[str, str], Any] = {
    ("containers", "listed"): tuple[ContainerFacts, list[ObjectRow | str]],
    ("accounts", "listed"): tuple[AccountFacts, list[ContainerRow | str]],
}


class Trouble(msgspec.Struct, omit_defaults=True):
    """A problem on its way."""

    kind: str
    message: str = ""
    stamp: str | None = None


class Head(msgspec.Struct):
    """What is known of an object, or one of its files, that was opened."""

    metadata: dict[str, str]
    size: int
    stamp: str = ""
    changed: str = ""
    more: bool = False  # whether the file is open at the other end; else its bytes follow, or are not wanted


class Verb(msgspec.Struct, frozen=True):
    """One call: how to read its arguments, and its answer."""

    room: str
    name: str
    keywords: tuple[str, ...]  # the last arguments, which are given by name
    arguments: msgspec.json.Decoder[tuple[Any, ...]]
    result: msgspec.json.Decoder[Any]


def _verbs(room: str, protocol: type) -> dict[str, Verb]:
    found = {}
    for name, method in inspect.getmembers(protocol, inspect.iscoroutinefunction):
        hints = typing.get_type_hints(method)
        result = RESULTS.get((room, name), hints.pop("return"))
        hints.pop("return", None)
        parameters = inspect.signature(method).parameters.values()
        keywords = tuple(one.name for one in parameters if one.kind is one.KEYWORD_ONLY)
        if name in {"upload", "open", "fragment", "read", "take"}:
            result = object  # these have shapes of their own
            if name == "take":
                continue
        arguments = msgspec.json.Decoder(tuple.__class_getitem__(tuple(hints.values())))
        found[f"{room}/{name}"] = Verb(room, name, keywords, arguments, msgspec.json.Decoder(result))
    return found


VERBS: Mapping[str, Verb] = {
    **_verbs("objects", Objects),
    **_verbs("containers", Containers),
    **_verbs("accounts", Accounts),
    **_verbs("replicas", Replicas),
}
KEEP: msgspec.json.Decoder[tuple[str, dict[str, str], Told | None, bool, int | None]] = msgspec.json.Decoder(
    tuple[str, dict[str, str], Told | None, bool, int | None]
)
TAKE: msgspec.json.Decoder[tuple[Place, int, str, dict[str, str], int]] = msgspec.json.Decoder(
    tuple[Place, int, str, dict[str, str], int]
)
READ: msgspec.json.Decoder[tuple[int, int]] = msgspec.json.Decoder(tuple[int, int])
HEADS = msgspec.json.Decoder(Head)
TROUBLES = msgspec.json.Decoder(Trouble)


def shrunk(verb: Verb, result: Any) -> object:
    """An answer as it is encoded."""
    if (verb.room, verb.name) not in RESULTS:
        return result
    facts, entries = result
    return facts, [entry.name if isinstance(entry, Subdir) else entry for entry in entries]


def grown(entries: Sequence[ObjectRow | ContainerRow | str]) -> list[Entry]:
    """The entries of a listing as they were."""
    return [Subdir(entry) if isinstance(entry, str) else entry for entry in entries]


def told(problem: StorageProblem) -> tuple[int, bytes]:
    """The status and the body that tell a problem."""
    kind = type(problem)
    name = kind.__name__ if kind.__name__ in KINDS else StorageProblem.__name__
    trouble = Trouble(name, problem.message, getattr(problem, "stamp", None))
    return (problem.status if problem.status in {503, 507} else 409), msgspec.json.encode(trouble)


def problem_of(host: str, body: bytes) -> StorageProblem:
    """The problem that an answer tells."""
    try:
        trouble = TROUBLES.decode(body)
    except msgspec.DecodeError:
        return Unreachable(server=host, why="it says what is no answer")
    kind = KINDS.get(trouble.kind, StorageProblem)
    if kind is Missing:
        return Missing(trouble.stamp)
    if kind is Superseded:
        return Superseded(trouble.stamp or "")
    return kind(trouble.message)


def framed(kind: bytes, content: bytes) -> bytes:
    """A frame with its head; of long ones callers send the two apart."""
    return FRAME.pack(kind, len(content)) + content

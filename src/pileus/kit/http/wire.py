"""Wires: the JSON shapes of an API, each declared once.

A field's mark says how it is called on the wire, in which microversions it exists, which policy rule shows it and to
which requests it belongs; nothing else in the program asks for the version of a request. `Wire.decode` reads a body
at one version, `Wire.encode` writes one; both go through a *projection*, a plain struct made once for each interval
between two versions at which anything changes.
"""

import types
import typing
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, ClassVar, NamedTuple, Self, Union, dataclass_transform, get_args, get_origin

import msgspec
from msgspec import UNSET, UnsetType

from pileus.kit.http.version import ALWAYS, FOREVER, Version, version

Granted = frozenset[str]
NOTHING_GRANTED: Granted = frozenset()
_NAMED = {"c": "", "u": "_update", "r": "_reply"}


class F(NamedTuple):
    """The mark of a field.

    name: its name on the wire; since, until: the microversions in which it exists, inclusive; rule: the policy rule
    that shows it, and without which using it in a request is refused; ext: the extension that brings it; on: whether it
    belongs to (c)reate and (u)pdate requests and to what is (r)ead.
    """

    name: str | None = None
    since: str = "0.0"
    until: str = "999.999"
    rule: str | None = None
    ext: str | None = None
    on: str = "cru"


class Field(NamedTuple):
    """A field of a wire, its mark read."""

    attribute: str
    name: str
    type: Any
    since: Version
    until: Version
    mark: F
    default: Any


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class _ByName(msgspec.StructMeta):
    """Makes every wire take its fields by name only, so that their order is free. (msgspec itself does not inherit it.)"""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> "_ByName":
        return super().__new__(cls, name, bases, namespace, **{"kw_only": True, **options})


class Wire(msgspec.Struct, metaclass=_ByName):
    """A JSON object; subclasses declare its fields.

    A class with an attribute named in `__extras__` takes unknown keys into that dictionary, and writes them beside its
    own; any other class refuses unknown keys.
    """

    __extras__: ClassVar[str | None] = None
    __loose__: ClassVar[bool] = False  # unknown keys are ignored, as some services always did
    __exact__: ClassVar[bool] = False  # "true" is no Boolean and "1" no number; set on the outermost wire of a body

    @classmethod
    def decode(cls, raw: bytes, at: Version = FOREVER, on: str = "c") -> Self:
        """Read a body as it is at one version; raises msgspec.ValidationError."""
        read = converter(cls, at, on) if cls.__extras__ else None
        found: Self = read(msgspec.json.decode(raw)) if read else decoder(cls, at, on)(raw)
        return found

    @classmethod
    def convert(cls, plain: Any, at: Version = FOREVER, on: str = "c") -> Self:
        """Read a body from plain dictionaries and lists."""
        found: Self = converter(cls, at, on)(plain)
        return found

    def encode(self, at: Version = FOREVER, granted: Granted = NOTHING_GRANTED) -> bytes:
        """Write what is read of it at one version by somebody with these rules."""
        return msgspec.json.encode(lowered(self, at, granted))

    def given(self) -> dict[str, Any]:
        """The attributes a request did set."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}


@cache
def fields(wire: type[Wire]) -> tuple[Field, ...]:
    """The fields of a wire in their order."""
    hints = typing.get_type_hints(wire, include_extras=True)
    found = []
    for info in msgspec.structs.fields(wire):
        hint = hints[info.name]
        mark = F()
        if get_origin(hint) is Annotated:
            marks = [meta for meta in hint.__metadata__ if isinstance(meta, F)]
            others = tuple(meta for meta in hint.__metadata__ if not isinstance(meta, F))
            mark = marks[0] if marks else mark
            inner = get_args(hint)[0]
            hint = Annotated.__class_getitem__((inner, *others)) if others else inner
        default: Any = msgspec.NODEFAULT
        if info.default is not msgspec.NODEFAULT:
            default = info.default
        elif info.default_factory is not msgspec.NODEFAULT:
            default = msgspec.field(default_factory=info.default_factory)
        found.append(
            Field(info.name, mark.name or info.name, hint, version(mark.since), version(mark.until), mark, default)
        )
    return tuple(found)


def wires_in(hint: Any) -> Iterable[type[Wire]]:
    """The wire classes a type mentions."""
    if isinstance(hint, type) and issubclass(hint, Wire):
        yield hint
    else:
        for part in get_args(hint):
            yield from wires_in(part)


@cache
def borders(wire: type[Wire]) -> tuple[Version, ...]:
    """The versions at which the wire, or one inside it, changes."""
    found: set[Version] = set()
    for field in fields(wire):
        if field.since > ALWAYS:
            found.add(field.since)
        if field.until < FOREVER:
            found.add(Version(field.until.major, field.until.minor + 1))
        for inner in wires_in(field.type):
            found.update(borders(inner))
    return tuple(sorted(found))


@cache
def rules(wire: type[Wire]) -> Granted:
    """The policy rules that fields of the wire, or of one inside it, name."""
    found = {field.mark.rule for field in fields(wire) if field.mark.rule}
    for field in fields(wire):
        for inner in wires_in(field.type):
            found |= rules(inner)
    return frozenset(found)


def projection(
    wire: type[Wire], at: Version, on: str, granted: Granted | None = None
) -> tuple[type[msgspec.Struct], tuple[Field, ...]]:
    """The plain struct a wire is at one version, and the fields it holds; granted None means: whatever the rules."""
    inside = None if granted is None else granted & rules(wire)
    return _projection(wire, bisect_right(borders(wire), at), on, inside)


@cache
def _projection(
    wire: type[Wire], interval: int, on: str, granted: Granted | None
) -> tuple[type[msgspec.Struct], tuple[Field, ...]]:
    at = borders(wire)[interval - 1] if interval else ALWAYS
    kept = tuple(
        field
        for field in fields(wire)
        if field.since <= at <= field.until
        and on in field.mark.on
        and (granted is None or field.mark.rule is None or field.mark.rule in granted)
        and field.attribute != wire.__extras__
    )
    specs: list[Any] = []
    for field in kept:
        kind = _projected(field.type, at, on, granted)
        if on == "u":
            specs.append((field.attribute, Union[kind, UnsetType], UNSET))  # noqa: UP007
        elif field.default is msgspec.NODEFAULT or on == "r":
            specs.append((field.attribute, kind))
        else:
            specs.append((field.attribute, kind, field.default))
    # Names tell projections apart in documents: one wire may be there as a request, as an update and as a reply.
    plain = msgspec.defstruct(
        f"{wire.__name__}{_NAMED[on]}{interval or ''}",
        specs,
        rename={field.attribute: field.name for field in kept},
        forbid_unknown_fields=wire.__extras__ is None and not wire.__loose__,
        kw_only=on != "r",
        module=wire.__module__,
    )
    plain.__doc__ = wire.__doc__
    return plain, kept


def _projected(hint: Any, at: Version, on: str, granted: Granted | None) -> Any:
    """A type with every wire in it replaced by its projection."""
    if isinstance(hint, type) and issubclass(hint, Wire):
        # A wire nested in an update is given whole.
        return projection(hint, at, "c" if on == "u" else on, granted)[0]
    origin = get_origin(hint)
    if origin is None or not any(True for _ in wires_in(hint)):
        return hint
    args = tuple(_projected(part, at, on, granted) for part in get_args(hint))
    if origin in {Union, types.UnionType}:
        return Union[args]  # noqa: UP007
    if origin is Annotated:
        return Annotated.__class_getitem__((args[0], *hint.__metadata__))
    return origin[args]


# -- reading ----------------------------------------------------------------------------------------------------------


@cache
def decoder(wire: type[Wire], at: Version, on: str) -> Callable[[bytes], Any]:
    """How to read raw JSON as a wire at one version."""
    plain, _ = projection(wire, at, on)
    read = msgspec.json.Decoder(plain, strict=wire.__exact__)
    lift = _lifter(wire, at, on)
    return lambda raw: lift(read.decode(raw))


@cache
def converter(wire: type[Wire], at: Version, on: str) -> Callable[[Any], Any]:
    """How to read plain dictionaries as a wire at one version."""
    plain, kept = projection(wire, at, on)
    lift = _lifter(wire, at, on)
    extras = wire.__extras__
    if extras is None:
        return lambda value: lift(msgspec.convert(value, plain, strict=wire.__exact__))
    known = {field.name for field in kept}

    def read(value: Any) -> Any:
        lifted = lift(msgspec.convert(value, plain, strict=wire.__exact__))
        setattr(lifted, extras, {key: item for key, item in value.items() if key not in known})
        return lifted

    return read


@cache
def converter_of(hint: Any, at: Version, on: str) -> Callable[[Any], Any]:
    """How to read plain dictionaries as a type in which wires stand at any depth."""
    kind = _projected(hint, at, on, None)
    lift = _walk(hint, lambda wire: _lifter(wire, at, on))
    if lift is None:
        return lambda value: msgspec.convert(value, kind, strict=False)
    return lambda value: lift(msgspec.convert(value, kind, strict=False))


@cache
def _lifter(wire: type[Wire], at: Version, on: str) -> Callable[[Any], Any]:
    """How to make the wire from its projection; attributes the version lacks take their defaults."""
    _, kept = projection(wire, at, on)
    inner = "c" if on == "u" else on
    steps = tuple((field.attribute, _walk(field.type, lambda kind: _lifter(kind, at, inner))) for field in kept)
    names = {field.attribute for field in kept}
    # In an update whatever is not given is unset, also what a create would have defaulted.
    unset = tuple(f.attribute for f in fields(wire) if on == "u" and f.attribute not in names) if on == "u" else ()
    absent = tuple(
        f.attribute
        for f in fields(wire)
        if on != "u" and f.attribute not in names and f.default is msgspec.NODEFAULT and f.attribute != wire.__extras__
    )

    def lift(plain: Any) -> Any:
        values: dict[str, Any] = {}
        for name, deeper in steps:
            value = getattr(plain, name)
            values[name] = value if deeper is None or value is UNSET else deeper(value)
        for name in unset:
            values[name] = UNSET
        for name in absent:
            values[name] = UNSET
        return wire(**values)

    return lift


def _walk(hint: Any, make: Callable[[Any], Callable[[Any], Any]]) -> Callable[[Any], Any] | None:
    """How to carry a value of a type over to its projection or back; None when there is nothing to do."""
    if isinstance(hint, type) and issubclass(hint, Wire):
        return make(hint)
    if not any(True for _ in wires_in(hint)):
        return None
    origin, args = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        steps = [step for part in args if (step := _walk(part, make)) is not None]
        kinds = tuple(_value_type(part) for part in args if _walk(part, make) is None)
        return lambda value: value if isinstance(value, kinds) else steps[0](value)
    if origin is Annotated:
        return _walk(args[0], make)
    step = _walk(args[-1], make)
    if step is None:
        return None
    if origin is dict:
        return lambda value: {key: step(item) for key, item in value.items()}
    return lambda value: [step(item) for item in value]


def _value_type(hint: Any) -> type:
    if get_origin(hint) is Annotated:
        return _value_type(get_args(hint)[0])
    origin = get_origin(hint)
    if origin is typing.Literal:
        return str
    return typing.cast("type", origin or (type(None) if hint is None else hint))


# -- writing ----------------------------------------------------------------------------------------------------------


def lowered(view: Wire, at: Version, granted: Granted) -> Any:
    """A view's projection, ready for msgspec to encode."""
    return _lowerer(type(view), bisect_right(borders(type(view)), at), granted & rules(type(view)))(view)


@cache
def _lowerer(wire: type[Wire], interval: int, granted: Granted) -> Callable[[Any], Any]:
    at = borders(wire)[interval - 1] if interval else ALWAYS
    plain, kept = projection(wire, at, "r", granted)

    known: dict[type[Wire], Callable[[Any], Any]] = {}

    def nested(value: Any) -> Any:
        kind: type[Wire] = type(value)
        lower = known.get(kind)
        if lower is None:
            lower = known[kind] = _lowerer(kind, bisect_right(borders(kind), at), granted & rules(kind))
        return lower(value)

    walked = [_walk(field.type, lambda kind: nested) for field in kept]
    steps = tuple((place, step) for place, step in enumerate(walked) if step is not None)
    values_of = _getter([field.attribute for field in kept])
    extras = wire.__extras__

    def lower(view: Any) -> Any:
        # Every server of a list passes here with 30 fields: what has no wires inside is taken over in one go.
        values = values_of(view)
        if steps:
            values = list(values)
            for place, step in steps:
                if values[place] is not UNSET:
                    values[place] = step(values[place])
        return plain(*values)

    if extras is None:
        return lower
    return lambda view: {**msgspec.to_builtins(lower(view)), **getattr(view, extras)}


def _getter(names: Sequence[str]) -> Callable[[Any], Sequence[Any]]:
    """What reads these attributes at once."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda view: [getattr(view, name) for name in names]


def schema(wire: type[Wire], at: Version = FOREVER, on: str = "c") -> type[msgspec.Struct]:
    """The plain type to derive a JSON schema from."""
    return projection(wire, at, on)[0]

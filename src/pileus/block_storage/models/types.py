"""Volume types, what can be said with their extra specs, and what is asked for quality of service."""

import datetime as dt
import operator
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

BACKEND_NAME = "volume_backend_name"
MULTIATTACH = "multiattach"
ZONES = "RESKEY:availability_zones"
# What those without admin rights may read of extra specs: what changes what a volume can do, not where it lies.
VISIBLE_SPECS = (MULTIATTACH, ZONES, "replication_enabled")


class VolumeType(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of volumes."""

    id: str
    name: str
    description: str | None = None
    is_public: bool = True
    extra_specs: dict[str, str] = {}
    qos_id: str | None = None
    encryption: dict[str, Any] | None = None
    created_at: dt.datetime
    updated_at: dt.datetime | None = None

    @property
    def multiattach(self) -> bool:
        """Whether its volumes may be attached to several servers."""
        return said(self.extra_specs.get(MULTIATTACH))

    @property
    def zones(self) -> list[str]:
        """The only zones its volumes may be in; none means any."""
        return [zone.strip() for zone in self.extra_specs.get(ZONES, "").split(",") if zone.strip()]


class QosSpecs(msgspec.Struct, frozen=True, kw_only=True):
    """What volumes get of a back end, or of the host that has them attached."""

    id: str
    name: str
    consumer: str
    specs: dict[str, str] = {}
    created_at: dt.datetime


class GroupType(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of groups."""

    id: str
    name: str
    description: str | None = None
    is_public: bool = True
    specs: dict[str, str] = {}
    created_at: dt.datetime
    updated_at: dt.datetime | None = None


def said(text: str | None) -> bool:
    """Whether an extra spec says yes: `<is> True`."""
    return (text or "").removeprefix("<is>").strip().lower() in {"true", "1", "yes", "t", "y", "on"}


def asked_of_backends(specs: Mapping[str, str]) -> dict[str, str]:
    """What extra specs ask of a back end: those without a scope, and those of the scope `capabilities`."""
    found: dict[str, str] = {}
    for key, wanted in specs.items():
        scope, colon, rest = key.partition(":")
        if not colon or scope == "capabilities":
            found[rest if colon else key] = wanted
    found.pop(MULTIATTACH, None)  # asked of back ends by volumes
    return found


def unmet(asked: Mapping[str, str], capabilities: Mapping[str, Any]) -> str | None:
    """Why a back end with these capabilities has not what is asked of it; `a:b` is asked for within the capability a."""
    for name, wanted in asked.items():
        has: Any = capabilities
        for part in name.split(":"):
            has = has.get(part) if isinstance(has, Mapping) else None
        if not any(_matches(wanted, each) for each in (has if isinstance(has, (list, tuple)) else [has])):
            return f"{name} is {has!r} and should be {wanted!r}"
    return None


# The little language of operators that extra specs have: numbers are compared as such, and words by the operators with an s.
_NUMBERS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
    "=": operator.ge,
}  # fmt: skip
_WORDS: Mapping[str, Callable[[str, str], bool]] = {
    "s==": operator.eq, "s!=": operator.ne, "s<": operator.lt, "s<=": operator.le, "s>": operator.gt, "s>=": operator.ge,
}  # fmt: skip


def _matches(wanted: str, has: object) -> bool:
    """Whether a capability is as an extra spec asks; one that a back end does not tell of is as nothing asks."""
    if has is None:
        return False
    word, _, rest = wanted.strip().partition(" ")
    rest = rest.strip()
    if word == "<is>":
        return said(rest) == (has is True or said(str(has)))
    if word == "<in>":
        return rest in str(has)
    if word == "<or>":
        return any(str(has) == part.strip() for part in rest.split("<or>"))
    if rest and (word in _WORDS or word in _NUMBERS):
        return _compares(word, has, rest)
    if isinstance(has, bool):
        return said(wanted) == has
    return str(has) == wanted


def _compares(word: str, has: object, than: str) -> bool:
    if word in _WORDS:
        return _WORDS[word](str(has), than)
    try:
        return _NUMBERS[word](float(str(has)), float(than))
    except ValueError:
        return False

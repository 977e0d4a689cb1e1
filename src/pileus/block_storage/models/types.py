"""Volume types, what can be said with their extra specs, and what is asked for quality of service."""

import datetime as dt
from collections.abc import Mapping
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


def unmet(specs: Mapping[str, str], capabilities: Mapping[str, Any]) -> str | None:
    """Why a back end with these capabilities cannot have volumes of a type with these extra specs."""
    for key, wanted in specs.items():
        scope, colon, rest = key.partition(":")
        if colon and scope != "capabilities":
            continue
        name = rest if colon else key
        has = capabilities.get(name)
        if not _matches(wanted, has):
            return f"{name} is {has!r} and should be {wanted!r}"
    return None


_COMPARED = {
    ">=": lambda has, than: has >= than,
    "<=": lambda has, than: has <= than,
    "==": lambda has, than: has == than,
    "!=": lambda has, than: has != than,
    ">": lambda has, than: has > than,
    "<": lambda has, than: has < than,
    "=": lambda has, than: has >= than,
}


def _matches(wanted: str, has: object) -> bool:
    """Whether a capability is as an extra spec asks, in the little language of operators these specs have."""
    word, _, rest = wanted.strip().partition(" ")
    if word == "<is>":
        return said(rest) == (has is True or said(str(has)))
    if word == "<in>":
        return rest.strip() in str(has)
    if word == "<or>":
        return any(str(has) == part.strip() for part in rest.split("<or>"))
    if word in _COMPARED and rest:
        try:
            return has is not None and bool(_COMPARED[word](float(str(has)), float(rest)))
        except ValueError:
            return False
    if isinstance(has, bool):
        return said(wanted) == has
    return str(has) == wanted

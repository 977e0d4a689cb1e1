"""Metadata definitions: what properties of images, volumes, flavors and servers mean, grouped in namespaces.

They are a dictionary for people and dashboards. Nothing in this cloud checks a property against its definition.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.kit.auth import Caller

Body = dict[str, Any]
# What clouds usually describe; a namespace may be tied to any other type by its name.
RESOURCE_TYPES = (
    "OS::Cinder::Volume",
    "OS::Glance::Image",
    "OS::Nova::Aggregate",
    "OS::Nova::Flavor",
    "OS::Nova::Server",
    "OS::Trove::Instance",
)


class Kind(enum.StrEnum):
    """What a namespace holds."""

    OBJECT = "object"
    PROPERTY = "property"
    TAG = "tag"
    RESOURCE_TYPE = "resource_type"


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """A group of definitions."""

    id: str
    namespace: str
    display_name: str | None = None
    description: str | None = None
    visibility: str = "private"
    protected: bool = False
    owner: str | None = None
    created_at: dt.datetime
    updated_at: dt.datetime

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules see."""
        return {"project_id": self.owner, "owner": self.owner, "visibility": self.visibility}

    def shows_to(self, caller: Caller) -> bool:
        """Whether the caller may know that it is there."""
        return caller.admin or self.visibility == "public" or self.owner == caller.project_id


class UsedType(msgspec.Struct, frozen=True, kw_only=True):
    """A type of resource some namespace is about, and since when."""

    name: str
    created_at: dt.datetime
    updated_at: dt.datetime


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """One object, property, tag or tie to a resource type; `body` is what its maker said of it, beside the name."""

    space: str
    kind: Kind
    name: str
    body: Body = {}
    created_at: dt.datetime
    updated_at: dt.datetime

"""Flavors of routers: names an operator gives to the profiles by which they are provided."""

import msgspec

from pileus.network.models.resources import Standard

ROUTERS = "L3_ROUTER_NAT"  # the one kind of service that is provided here
DRIVER = "ovn"


class Flavor(Standard, frozen=True):
    """A kind of router to choose."""

    service_type: str
    enabled: bool
    profiles: tuple[str, ...] = ()


class Profile(Standard, frozen=True):
    """How a flavor is provided: by which driver, and what that is told."""

    driver: str
    metainfo: str
    enabled: bool


class NewFlavor(msgspec.Struct, frozen=True, kw_only=True):
    """A flavor to make."""

    service_type: str
    name: str = ""
    description: str = ""
    enabled: bool = True
    project_id: str = ""


class NewProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile to make."""

    description: str = ""
    driver: str = ""
    metainfo: str = ""
    enabled: bool = True
    project_id: str = ""

"""Trunks: a port whose guest reaches further networks by tagged frames."""

import msgspec

from pileus.network.models.resources import Standard

SUBPORT = "trunk:subport"  # who a subport belongs to, in Neutron's words
MAX_TAG = 4094


class Subport(msgspec.Struct, frozen=True):
    """A port reached through a trunk, by frames with that tag."""

    port_id: str
    trunk_id: str
    segmentation_type: str
    segmentation_id: int


class Trunk(Standard, frozen=True):
    """A port and those reached through it."""

    port_id: str
    admin_up: bool
    subports: tuple[Subport, ...] = ()
    up: bool = False  # what the fabric says of the port


class AskedSubport(msgspec.Struct, frozen=True):
    """A subport to add; of type "inherit" it has the tag of its network."""

    port_id: str
    segmentation_type: str
    segmentation_id: int | None


class NewTrunk(msgspec.Struct, frozen=True, kw_only=True):
    """A trunk to make."""

    project_id: str
    port_id: str
    name: str = ""
    description: str = ""
    admin_up: bool = True
    subports: tuple[AskedSubport, ...] = ()

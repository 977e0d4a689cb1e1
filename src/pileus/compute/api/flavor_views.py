"""Flavors as they are shown: alone, in lists, and inside servers."""

from typing import Annotated

from pileus.compute.api.service import Link, links
from pileus.compute.app import Compute
from pileus.compute.models.flavors import Flavor, Size
from pileus.kit.http import Call, F, Wire

SPECS_RULE = "os_compute_api:os-flavor-extra-specs:index"
SERVER_SPECS_RULE = "os_compute_api:servers:show:flavor-extra-specs"


class FlavorView(Wire, kw_only=True):
    """A flavor as a caller sees it."""

    id: str
    name: str
    ram: int
    disk: int
    vcpus: int
    swap_text: Annotated[int | str, F("swap", until="2.74")]  # no swap is the empty string
    swap: Annotated[int, F(since="2.75")]
    ephemeral: Annotated[int, F("OS-FLV-EXT-DATA:ephemeral")]
    disabled: Annotated[bool, F("OS-FLV-DISABLED:disabled", until="2.101")]
    is_public: Annotated[bool, F("os-flavor-access:is_public")]
    rxtx_factor: Annotated[float, F(until="2.101")]
    links: list[Link]
    description: Annotated[str | None, F(since="2.55")]
    extra_specs: Annotated[dict[str, str], F(since="2.61", rule=SPECS_RULE)]
    # A flavor belongs to no project: what may be read of it is asked of the reader's own.
    project_id: Annotated[str | None, F(on="")]


class FlavorBrief(Wire):
    """A flavor in a list."""

    id: str
    name: str
    links: list[Link]
    description: Annotated[str | None, F(since="2.55")]


class FlavorLink(Wire):
    """A server's flavor in old versions: where to read it."""

    id: str
    links: list[Link]


class EmbeddedFlavor(Wire):
    """A server's flavor in new versions: as it was when the server was made."""

    vcpus: int
    ram: int
    disk: int
    ephemeral: int
    swap: int
    original_name: str
    extra_specs: Annotated[dict[str, str], F(rule=SERVER_SPECS_RULE)]


def flavor_view(call: Call[Compute], flavor: Flavor) -> FlavorView:
    """The flavor in full."""
    return FlavorView(
        id=flavor.id,
        name=flavor.name,
        ram=flavor.ram,
        disk=flavor.disk,
        vcpus=flavor.vcpus,
        swap_text=flavor.swap or "",
        swap=flavor.swap,
        ephemeral=flavor.ephemeral,
        disabled=flavor.disabled,
        is_public=flavor.is_public,
        rxtx_factor=flavor.rxtx_factor,
        links=links(call, f"/flavors/{flavor.id}"),
        description=flavor.description,
        extra_specs=flavor.extra_specs,
        project_id=call.caller.project_id,
    )


def flavor_brief(call: Call[Compute], flavor: Flavor) -> FlavorBrief:
    """The flavor in a list."""
    where = links(call, f"/flavors/{flavor.id}")
    return FlavorBrief(id=flavor.id, name=flavor.name, links=where, description=flavor.description)


def embedded(size: Size) -> EmbeddedFlavor:
    """The flavor inside a server."""
    return EmbeddedFlavor(
        vcpus=size.vcpus,
        ram=size.ram,
        disk=size.disk,
        ephemeral=size.ephemeral,
        swap=size.swap,
        original_name=size.name,
        extra_specs=size.extra_specs,
    )

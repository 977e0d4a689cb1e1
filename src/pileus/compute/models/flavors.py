"""Flavors: the sizes of servers."""

import datetime as dt

import msgspec

MIB = 1024 * 1024
GIB = 1024 * MIB


class Flavor(msgspec.Struct, frozen=True, kw_only=True):
    """A size of servers. Amounts: RAM and swap in MiB, disks in GiB."""

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    ephemeral: int = 0
    swap: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    disabled: bool = False
    description: str | None = None
    extra_specs: dict[str, str] = {}
    created_at: dt.datetime


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """A flavor as a server keeps it: what becomes of the flavor later does not change the server."""

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    ephemeral: int = 0
    swap: int = 0
    extra_specs: dict[str, str] = {}

    @property
    def resources(self) -> dict[str, int]:
        """What a server of this size takes of a host, by resource class."""
        swap_gib = -(-self.swap // 1024)
        return {"VCPU": self.vcpus, "MEMORY_MB": self.ram, "DISK_GB": self.disk + self.ephemeral + swap_gib}


def size_of(flavor: Flavor) -> Size:
    """The flavor as a server keeps it."""
    return Size(
        id=flavor.id,
        name=flavor.name,
        vcpus=flavor.vcpus,
        ram=flavor.ram,
        disk=flavor.disk,
        ephemeral=flavor.ephemeral,
        swap=flavor.swap,
        extra_specs=flavor.extra_specs,
    )

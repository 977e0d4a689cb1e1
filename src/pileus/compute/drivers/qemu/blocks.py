"""Volumes as QEMU knows them: the nodes that reach a volume's bytes, and the disk a guest has of it. Pure functions.

    /dev/fdset/<slot> -> volume<slot>-file -> volume<slot> [-> volume<slot>-limited] -> the disk `volume<slot>`

QEMU may not open a volume's file, which is nobody's server's own: it is handed the open file. The slot on the bus tells which
place a disk has, so a guest that is started anew finds its disks in the same order.
"""

from typing import Any

from pileus.compute.drivers.interface import Volume, Wanted

DISKS_SLOT = 11
SERIAL = 20  # as much of a disk's serial number as a guest is shown
# What QEMU calls the limits.
LIMITS = {
    "total_bytes": "bps-total",
    "read_bytes": "bps-read",
    "write_bytes": "bps-write",
    "total_iops": "iops-total",
    "read_iops": "iops-read",
    "write_iops": "iops-write",
}
Options = dict[str, Any]


def slots(server: Wanted) -> dict[str, int]:
    """The slot of each volume's disk; while a server is rescued, the disk it is rescued with comes first."""
    first = DISKS_SLOT + (1 if server.rescue is not None else 0)
    return {volume.id: first + volume.place for volume in server.volumes}


def disk(slot: int) -> str:
    """The name of the guest's disk in that slot."""
    return f"volume{slot}"


def limits(volume: Volume, slot: int) -> Options | None:
    """The object that holds what is let through, if there is any limit."""
    if not volume.limits:
        return None
    known = {LIMITS[name]: value for name, value in volume.limits.items() if name in LIMITS}
    return {"qom-type": "throttle-group", "id": f"limits{slot}", "limits": known}


def nodes(volume: Volume, slot: int) -> list[Options]:
    """The nodes, each above the one before; the last is what the disk stands on."""
    name = f"volume{slot}"
    found: list[Options] = [
        {"driver": "file", "node-name": f"{name}-file", "filename": f"/dev/fdset/{slot}"},
        {"driver": str(volume.format), "node-name": name, "file": f"{name}-file"},
    ]
    if volume.limits:
        found.append(
            {"driver": "throttle", "node-name": f"{name}-limited", "throttle-group": f"limits{slot}", "file": name}
        )
    return [{**node, "read-only": volume.readonly, "discard": "unmap"} for node in found]


def names(slot: int) -> tuple[str, ...]:
    """Every node there may be, the uppermost first."""
    return (f"volume{slot}-limited", f"volume{slot}", f"volume{slot}-file")


def device(volume: Volume, slot: int) -> Options:
    """The guest's disk, as QEMU's device_add takes it."""
    return {
        "driver": "virtio-blk-pci",
        "id": disk(slot),
        "drive": nodes(volume, slot)[-1]["node-name"],
        "serial": volume.id[:SERIAL],
        "addr": f"{slot:#x}",
        "share-rw": volume.shared,
    }

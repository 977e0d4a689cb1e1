"""Volumes and snapshots, as clients asked compute for them until 2.35: handed on to block storage."""

from pileus.compute import errors
from pileus.compute.app import Compute
from pileus.ports.volume_lists import VolumeLists


def lists(app: Compute) -> VolumeLists:
    """Who is asked; raises NotOffered where there is no block storage."""
    if app.volumes is None:
        raise errors.NotOffered(what="volumes")
    return app.volumes.lists

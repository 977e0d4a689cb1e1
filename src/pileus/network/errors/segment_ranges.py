"""Errors about ranges of segments, with Neutron's names; the docstring is the message."""

from pileus.kit.errors import Conflict, NotFound


class NetworkSegmentRangeNotFound(NotFound):
    """Network Segment Range {id} could not be found."""


class NetworkSegmentRangeReferencedByProject(Conflict):
    """Network segment range {id} is referenced by one or more tenant networks: {segments}."""


class NetworkSegmentRangeDefaultReadOnly(Conflict):
    """Network Segment Range {id} is a default segment range which could not be updated or deleted."""


class NetworkSegmentRangeOverlaps(Conflict):
    """Network segment range {minimum}-{maximum} overlaps with {ranges}."""

"""Errors about trunks, with Neutron's names; the docstring is the message."""

from pileus.kit.errors import Conflict, Invalid, NotFound


class TrunkNotFound(NotFound):
    """Trunk {id} could not be found."""


class SubPortNotFound(NotFound):
    """SubPort on trunk {trunk} with parent port {port} could not be found."""


class ParentPortInUse(Conflict):
    """Port {id} is currently in use and is not eligible for use as a parent port."""


class DuplicateSubPort(Conflict):
    """segmentation_type {kind} and segmentation_id {tag} already in use on trunk {trunk}."""


class TrunkDisabled(Conflict):
    """Trunk {id} is currently disabled."""


class PortInUseAsTrunkParent(Conflict):
    """Port {id} is currently a parent port for trunk {trunk}."""


class PortInUseAsSubPort(Conflict):
    """Port {id} is currently a subport for trunk {trunk}."""


class SubPortMtuGreaterThanTrunkPortMtu(Conflict):
    """MTU {mtu} of subport {id} cannot be greater than MTU {limit} of the trunk's port {parent}."""


class SubPortBindingError(Conflict):
    """Subport {id} cannot be on trunk {trunk}: {why}."""


class NoSegmentToInherit(Invalid):
    """Subport {id} cannot inherit a segmentation of its network, which is of type {network_type}."""

"""Errors about address groups, with Neutron's names; the docstring is the message."""

from pileus.kit.errors import Conflict, Invalid, NotFound


class AddressGroupNotFound(NotFound):
    """Address group {id} could not be found."""


class AddressGroupInUse(Conflict):
    """Address group {id} is in use on one or more security group rules."""


class AddressesNotFound(NotFound):
    """Addresses {addresses} not found in the address group {id}."""


class AddressesAlreadyExist(Invalid):
    """Addresses {addresses} already exist in the address group {id}."""

"""Errors about flavors and service profiles, with Neutron's names; the docstring is the message."""

from pileus.kit.errors import Conflict, Invalid, NotFound


class FlavorNotFound(NotFound):
    """Flavor {id} could not be found."""


class FlavorInUse(Conflict):
    """Flavor {id} is used by some service instance."""


class FlavorDisabled(Invalid):
    """Flavor {id} is not enabled."""


class InvalidFlavorServiceType(Invalid):
    """Invalid service type {kind}: flavors are of L3_ROUTER_NAT."""


class ServiceProfileNotFound(NotFound):
    """Service Profile {id} could not be found."""


class ServiceProfileInUse(Conflict):
    """Service Profile {id} is used by some service instance."""


class ServiceProfileEmpty(Invalid):
    """Empty Service Profile, please set a driver or some metainfo."""


class ServiceProfileDriverNotFound(NotFound):
    """Service Profile driver {driver} could not be found; there is: ovn."""


class FlavorServiceProfileBindingExists(Conflict):
    """Service Profile {profile} is already associated with flavor {flavor}."""


class FlavorServiceProfileBindingNotFound(NotFound):
    """Service Profile {profile} is not associated with flavor {flavor}."""

"""Errors about logs, with Neutron's names; the docstring is the message."""

from pileus.kit.errors import Invalid, NotFound


class LogResourceNotFound(NotFound):
    """Log resource {id} could not be found."""


class InvalidLogResourceType(Invalid):
    """Invalid log resource_type: {kind}. What can be logged is: security_group."""


class ResourceNotFound(NotFound):
    """Resource {id} could not be found."""


class TargetResourceNotFound(NotFound):
    """Target resource {id} could not be found."""


class InvalidResourceConstraint(Invalid):
    """Invalid resource constraint between resource (security_group, {group}) and target resource (port, {port})."""

"""Errors about what new security groups say and are, with Neutron's names; the docstring is the message."""

from pileus.kit.errors import Conflict, NotFound


class DefaultSecurityGroupRuleNotFound(NotFound):
    """Default Security Group rule {id} could not be found."""


class DefaultSecurityGroupRuleExists(Conflict):
    """Default Security group rule already exists. Rule id is {id}."""


class SecurityGroupDefaultStatefulnessNotFound(NotFound):
    """Default statefulness {id} of security groups could not be found."""


class SecurityGroupDefaultStatefulnessExists(Conflict):
    """The default statefulness of security groups of project {project} is set already; change that one."""

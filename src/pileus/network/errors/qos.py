"""Errors about quality of service, with Neutron's names; the docstring is the message."""

from pileus.kit.errors import Conflict, NotFound


class QosPolicyNotFound(NotFound):
    """QoS policy {id} could not be found."""


class QosRuleNotFound(NotFound):
    """QoS rule {id} for policy {policy} could not be found."""


class QosRuleTypeNotFound(NotFound):
    """QoS rule type {kind} is not one of those the switch carries out: {known}."""


class QosPolicyInUse(Conflict):
    """QoS Policy {id} is used by {kind} {user}."""


class QoSRulesConflict(Conflict):
    """Rule {kind} conflicts with a rule of the same kind and direction which already exists in QoS Policy {id}."""


class QosRuleParameterConflict(Conflict):
    """Rule {kind} of QoS Policy {id} asks for {asked} kbps, which does not go with {other} kbps of rule {rule}."""


class QoSPolicyDefaultAlreadyExists(Conflict):
    """A default QoS policy exists for project {project}."""

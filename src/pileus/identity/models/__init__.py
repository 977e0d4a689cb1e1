"""The values of identity and its pure rules."""

from pileus.identity.models.applications import ApplicationCredential, KeptRule
from pileus.identity.models.delegation import Credential, Policy, Trust
from pileus.identity.models.entities import (
    Assignment,
    Endpoint,
    Extra,
    Group,
    Project,
    Region,
    Role,
    Service,
    User,
    new_id,
)
from pileus.identity.models.memory import Memory
from pileus.identity.models.roles import RoleGraph
from pileus.identity.models.tokens import (
    Federated,
    Method,
    Payload,
    Scope,
    ScopeKind,
    ValidToken,
    new_audit_id,
    read_payload,
)

__all__ = [
    "ApplicationCredential",
    "Assignment",
    "Credential",
    "Endpoint",
    "Extra",
    "Federated",
    "Group",
    "KeptRule",
    "Memory",
    "Method",
    "Payload",
    "Policy",
    "Project",
    "Region",
    "Role",
    "RoleGraph",
    "Scope",
    "ScopeKind",
    "Service",
    "Trust",
    "User",
    "ValidToken",
    "new_audit_id",
    "new_id",
    "read_payload",
]

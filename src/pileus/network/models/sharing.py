"""Sharing: who, beside its owner, may use a thing, and for what."""

from collections.abc import Mapping

import msgspec

EVERYBODY = "*"
SHARED = "access_as_shared"
EXTERNAL = "access_as_external"
ACTIONS: dict[str, tuple[str, ...]] = {
    "network": (SHARED, EXTERNAL),
    "security_group": (SHARED,),
    "address_scope": (SHARED,),
    "subnetpool": (SHARED,),
    "qos_policy": (SHARED,),
}


class RbacPolicy(msgspec.Struct, frozen=True):
    """A thing may be used so by a project, or by all."""

    id: str
    project_id: str
    object_type: str
    object_id: str
    action: str
    target: str

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules may ask about."""
        return {
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "target_tenant": self.target,
            "target_project": self.target,
        }

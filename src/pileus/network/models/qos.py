"""Quality of service: policies, and what the switch can do about them."""

from collections.abc import Mapping

import msgspec

from pileus.network.models.resources import Standard

BANDWIDTH, DSCP, MINIMUM = "bandwidth_limit", "dscp_marking", "minimum_bandwidth"
EGRESS, INGRESS = "egress", "ingress"
DIRECTIONS = (EGRESS, INGRESS)
MARKS = (0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 44, 46, 48, 56)  # RFC 2474, 2597, 3246
MOST_KBPS = (1 << 31) - 1
_RATE: dict[str, object] = {
    "parameter_name": "max_kbps", "parameter_type": "range", "parameter_values": {"start": 0, "end": MOST_KBPS}
}  # fmt: skip
_BURST: dict[str, object] = {**_RATE, "parameter_name": "max_burst_kbps"}
_LEAST: dict[str, object] = {**_RATE, "parameter_name": "min_kbps"}
# What each kind of rule is told with: what OVN carries out, and nothing else.
KINDS: Mapping[str, tuple[Mapping[str, object], ...]] = {
    BANDWIDTH: (
        _RATE, _BURST, {"parameter_name": "direction", "parameter_type": "choices", "parameter_values": [*DIRECTIONS]}
    ),
    DSCP: ({"parameter_name": "dscp_mark", "parameter_type": "choices", "parameter_values": [*MARKS]},),
    MINIMUM: (
        _LEAST, {"parameter_name": "direction", "parameter_type": "choices", "parameter_values": [EGRESS]}
    ),
}  # fmt: skip


class QosRule(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a policy asks for, in one direction as the guest sees it."""

    id: str
    policy_id: str
    kind: str
    direction: str = ""
    max_kbps: int | None = None
    max_burst_kbps: int | None = None
    min_kbps: int | None = None
    dscp_mark: int | None = None


class QosPolicy(Standard, frozen=True):
    """What traffic of a port, a network, a floating IP or a router's gateway may take, and how it is marked."""

    shared: bool
    default_for: str | None
    rules: tuple[QosRule, ...] = ()

    def policy_target(self) -> Mapping[str, object]:
        """What policy rules may ask about; the rules inside ask about their parent."""
        return {**super().policy_target(), "shared": self.shared, "ext_parent:project_id": self.project_id}


class NewQosPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy to make."""

    project_id: str
    name: str = ""
    description: str = ""
    shared: bool = False
    is_default: bool = False

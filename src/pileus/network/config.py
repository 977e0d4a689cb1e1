"""Options of the network service."""

import msgspec

GENEVE_OVERHEAD = 58


class NetworkConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How networks are made and limited. A quota of -1 is no limit."""

    mtu: int = 1500  # of the physical networks
    dns_domain: str = "openstacklocal."
    mac_prefix: str = "fa:16:3e"
    external_networks: tuple[str, ...] = ("external",)  # names of physical networks a flat network may lie on
    zone: str = "nova"
    quota_network: int = 100
    quota_subnet: int = 100
    quota_port: int = 500
    quota_router: int = 10
    quota_floatingip: int = 50
    quota_security_group: int = 10
    quota_security_group_rule: int = 100
    quota_subnetpool: int = -1
    quota_rbac_policy: int = 10
    quota_address_group: int = 10
    quota_qos_policy: int = 100
    quota_trunk: int = -1

    @property
    def tunnel_mtu(self) -> int:
        """What fits through a tunnel."""
        return self.mtu - GENEVE_OVERHEAD

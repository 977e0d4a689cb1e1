"""What QEMU and qemu-img may do: what `kit/jail` lets them, and KVM."""

import grp

from pileus.kit.jail import IMAGE_TOOL, Jail

__all__ = ["IMAGE_TOOL", "Jail", "kvm_groups"]


def kvm_groups() -> tuple[int, ...]:
    """The group that may open /dev/kvm, where there is one."""
    try:
        return (grp.getgrnam("kvm").gr_gid,)
    except KeyError:
        return ()

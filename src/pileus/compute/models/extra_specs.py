"""Extra specs: which of them have a meaning to this API, and what may be said in them.

Checked since microversion 2.86, so that a slip of the pen does not make a flavor that means nothing.
"""

import re
from collections.abc import Mapping

BOOL = r"(?i:true|false|yes|no|on|off|1|0|t|f|y|n)"
COUNT = r"[1-9]\d*"
NUMBER = r"\d+"
WHOLE = r"-?\d+"
TEXT = r".+"
CPUS = r"\^?\d+((-\d+)?(,\^?\d+(-\d+)?)*)?"
PAGES = r"(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)"

# The values of a namespace's keys; a key here is a pattern of its own.
KNOWN: Mapping[str, Mapping[str, str]] = {
    "accel": {"device_profile": TEXT},
    "aggregate_instance_extra_specs": {TEXT: ".*"},
    "capabilities": {TEXT: ".*"},
    "hw": {
        "boot_menu|cpu_realtime|hide_hypervisor_id|locked_memory|mem_encryption|vif_multiqueue_enabled"
        "|virtio_packed_ring|ephemeral_encryption|tdx": BOOL,
        "(max_)?(cpu_(cores|sockets|threads))|cpu_max_(cores|sockets|threads)|numa_nodes|serial_port_count": COUNT,
        "cpu_policy": "dedicated|shared|mixed",
        "cpu_thread_policy": "prefer|isolate|require",
        "emulator_threads_policy": "isolate|share",
        r"cpu_dedicated_mask|cpu_realtime_mask|numa_cpus\.\d+": CPUS,
        r"numa_mem\.\d+|maxphysaddr_bits": COUNT,
        "mem_page_size": PAGES,
        "mem_encryption_model|ephemeral_encryption_format|pmem": TEXT,
        "maxphysaddr_mode": "passthrough|emulate",
        "pci_numa_affinity_policy": "required|preferred|legacy|socket",
        "tpm_model": "tpm-tis|tpm-crb",
        "tpm_version": r"1\.2|2\.0",
        "tpm_secret_security": "user|host|deployment",
        "viommu_model": "intel|smmuv3|virtio|auto",
        "watchdog_action": "none|pause|poweroff|reset|disabled",
        "sound_model": TEXT,
        "usb_model": TEXT,
        "redirected_usb_ports": NUMBER,
    },
    "hw_rng": {"allowed": BOOL, "rate_bytes|rate_period": NUMBER},
    "hw_video": {"ram_max_mb": NUMBER},
    "os": {"secure_boot": "required|disabled|optional", "monitors|resolution|vram": TEXT},
    "pci_passthrough": {"alias": TEXT},
    "powervm": {TEXT: TEXT},
    "quota": {
        "cpu_shares|cpu_quota|cpu_period": WHOLE,
        "(cpu|memory|disk_io|vif)_(limit|reservation|shares_share)": WHOLE,
        "(cpu|memory|disk_io|vif)_shares_level": "custom|high|normal|low",
        "disk_(read|write|total)_(bytes|iops)_sec(_max(_length)?)?": NUMBER,
        "vif_(inbound|outbound)_(average|peak|burst)": NUMBER,
    },
    "resources": {"[A-Z0-9_]+": NUMBER},
    "trait": {"[A-Z0-9_]+": "required|forbidden"},
    "vmware": {TEXT: TEXT},
}
# Groups of resources and of traits are numbered or named behind the word: resources1:VCPU.
_GROUPED = re.compile(r"(resources|trait)([a-zA-Z0-9_-]{1,64})?\Z")


def wrong_spec(key: str, value: str) -> str | None:
    """What is wrong with an extra spec; None if nothing is, or if nobody here knows its namespace."""
    namespace, colon, name = key.partition(":")
    grouped = _GROUPED.match(namespace)
    names = KNOWN.get(grouped[1] if grouped else namespace) if colon else None
    if names is None:
        return None
    values = [allowed for pattern, allowed in names.items() if re.fullmatch(pattern, name)]
    if not values:
        return f"Validation failed; extra spec '{key}' does not appear to be a valid extra spec."
    if not re.fullmatch(values[0], value):
        return f"Validation failed; '{value}' is invalid for extra spec '{key}'."
    return None

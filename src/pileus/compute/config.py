"""Options of compute."""

import msgspec


class ComputeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much a project may have, and how full hosts may be. A quota of -1 is no limit."""

    zone: str = "nova"  # the availability zone hosts are in
    cpu_ratio: float = 4.0
    ram_ratio: float = 1.0
    disk_ratio: float = 1.0
    reserved_ram_mib: int = 512
    reserved_disk_gib: int = 0
    console_token_s: int = 600
    drain_at_once: int = 2  # servers that leave a host at the same time while it is emptied
    # Certificates (see image.signatures) of which one has to have issued that of an image's signature, for servers whose creators
    # name none. Empty: whatever the image service takes is booted from.
    trusted_image_certificates: tuple[str, ...] = ()
    quota_instances: int = 10
    quota_cores: int = 20
    quota_ram: int = 51200
    quota_key_pairs: int = 100
    quota_metadata_items: int = 128
    quota_server_groups: int = 10
    quota_server_group_members: int = 10

"""What can be set of the image service."""

from typing import Literal

import msgspec


class StoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One store of image bytes."""

    kind: str = "file"  # file; object_store, the cloud's own; rbd, in a Ceph; http is others' and only read
    # Of file: a folder, inside the state directory unless absolute; of object_store: a container; of rbd: the beginning of
    # names, in which clouds that share a pool have to differ.
    path: str = ""
    pool: str = "images"  # rbd: the pool,
    conf: str = "/etc/ceph/ceph.conf"  # the cluster's configuration on this machine,
    user: str = "admin"  # and whose key is used
    description: str = ""
    weight: int = 0  # the heaviest store that has an image is read first


class SignaturesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose signatures of images are believed."""

    folder: str = "certificates"  # <uuid>.pem each, as images name them; inside the state directory unless absolute
    trusted: str = ""  # a file of certificates in PEM: of who may issue those. Empty: the folder is trusted as it is


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which addresses the service fetches for its users. Empty lists allow everything that is not denied."""

    schemes: tuple[str, ...] = ("http", "https")
    ports: tuple[int, ...] = (80, 443)
    hosts: tuple[str, ...] = ()
    denied_hosts: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()  # besides the public internet; a mirror on one's own network has to be named here
    denied_networks: tuple[str, ...] = ()  # of the public internet: where this cloud's own APIs are, say
    ca_file: str = ""  # PEM file of authorities that are trusted besides the system's
    stall_s: float = 60.0  # nothing arrives for so long


class PluginsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to images at their import: unpacked, converted, given properties; in this order."""

    enabled: tuple[Literal["image_decompression", "image_conversion", "inject_image_metadata"], ...] = ()
    output_format: Literal["raw", "qcow2", "vmdk"] = "raw"  # what image_conversion makes of every disk but CDs
    largest: int = (
        1 << 37
    )  # bytes that a disk may have that is unpacked or converted; little can be made to look like much
    inject: dict[str, str] = {}  # properties that inject_image_metadata gives
    ignore_user_roles: tuple[str, ...] = ("admin",)  # whose images get none


FILES = StoreConfig(path="images", description="Files of the controller")


class ImageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of the image service."""

    size_cap: int = 1 << 40  # bytes of one image
    properties_quota: int = 128
    property_protection_file: str = (
        ""  # who may do what to which properties; inside the state directory unless absolute
    )
    property_protection_rule_format: Literal["roles", "policies"] = "roles"
    tags_quota: int = 128
    members_quota: int = 128
    default_limit: int = 25
    hard_limits: bool = False  # a project never has a byte more than it may; OpenStack lets the last image exceed it
    inspect: bool = True  # whether content must be what disk_format says
    upload_lease_s: float = 60.0  # an upload that shows no sign of life for so long has ended
    stores: dict[str, StoreConfig] = msgspec.field(default_factory=lambda: {"file": FILES})
    default_store: str = "file"
    cache_size: int = 0  # bytes of images of slow stores that are kept at hand; 0: none, and nobody may ask for it
    import_methods: tuple[str, ...] = ("glance-direct", "web-download", "copy-image")
    signatures: SignaturesConfig = SignaturesConfig()
    plugins: PluginsConfig = PluginsConfig()
    download_properties: tuple[str, ...] = ("hw_", "trait:", "os_distro", "os_secure_boot", "os_type")  # beginnings
    web: WebConfig = WebConfig()
    show_locations: bool = False  # an owner sees and sets where the bytes of an image are
    show_direct_url: bool = False
    secure_hash: bool = True  # whether bytes at a new location are read, hashed and compared with what is said of them
    task_ttl_h: float = 48.0  # how long a task is shown after it has ended

"""What can be set of the image service."""

import msgspec


class ImageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of the image service."""

    size_cap: int = 1 << 40  # bytes of one image
    properties_quota: int = 128
    tags_quota: int = 128
    members_quota: int = 128
    default_limit: int = 25
    inspect: bool = True  # whether content must be what disk_format says
    upload_lease_s: float = 60.0  # an upload that shows no sign of life for so long has ended

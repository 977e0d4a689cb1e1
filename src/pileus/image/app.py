"""What the image service works with."""

import msgspec
from cryptography import x509

from pileus.image.config import ImageConfig
from pileus.image.drivers.far import FarImages
from pileus.image.drivers.interface import Stores, Web
from pileus.image.models.protections import Guard
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.flow.operations import Operations
from pileus.ports.certificates import Certificates
from pileus.ports.identity import Directory
from pileus.ports.limits import Limits


class ImageApp(msgspec.Struct, frozen=True, kw_only=True):
    """The image service's collaborators."""

    db: Database
    clock: Clock
    operations: Operations
    stores: Stores
    web: Web  # addresses that users name
    config: ImageConfig
    certificates: Certificates  # that images are signed with
    trusted: tuple[x509.Certificate, ...] = ()  # one of these issued those; empty: whatever has a reference is trusted
    limits: Limits | None = None
    directory: Directory | None = None
    far: FarImages
    tokens: dict[str, str] = msgspec.field(default_factory=dict)  # by operation: with what other regions are asked
    guard: Guard = msgspec.field(default_factory=Guard)  # of properties
    held_good: set[tuple[str, ...]] = msgspec.field(default_factory=set)  # signatures that held, and of which bytes
    region: str | None = None

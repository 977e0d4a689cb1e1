"""What main mounts of the image service."""

from functools import partial
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificates

from pileus.image.api import (
    cache,
    discovery,
    files,
    images,
    imports,
    locations,
    members,
    metadef_parts,
    metadefs,
    versions,
)
from pileus.image.api.service import api
from pileus.image.app import ImageApp
from pileus.image.commands.seeding import ensure_image
from pileus.image.config import ImageConfig
from pileus.image.drivers import stores_of
from pileus.image.drivers.certificates import CertificateFolder
from pileus.image.drivers.far import FarImages
from pileus.image.drivers.http import HttpSource
from pileus.image.flows.cache import CACHE
from pileus.image.flows.imports import IMPORT
from pileus.image.flows.locate import LOCATE
from pileus.image.flows.sweep import EVERY_S, sweep
from pileus.image.models.protections import Guard, NotUnderstood, protections_of
from pileus.image.port import ImagePort
from pileus.image.tables import IMAGE
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.flow.operations import Operations
from pileus.kit.flow.standing import Standing
from pileus.ports.identity import Directory
from pileus.ports.limits import Limits
from pileus.ports.objects import Objects

NAME = "image"
MOUNT = "image"
API = api
METADATA = IMAGE
MIGRATIONS = "pileus.image.migrations"
FLOWS = (IMPORT, LOCATE, CACHE)
CATALOG = ("image", "glance", "OpenStack Image", "")
RESOURCES = (versions, images, files, imports, locations, cache, members, metadefs, metadef_parts, discovery)

__all__ = [
    "API",
    "CATALOG",
    "FLOWS",
    "METADATA",
    "MIGRATIONS",
    "MOUNT",
    "NAME",
    "RESOURCES",
    "ImageConfig",
    "ImagePort",
    "build",
    "ensure_image",
    "port",
    "standing",
]


def build(
    *,
    db: Database,
    clock: Clock,
    operations: Operations,
    state: Path,
    config: ImageConfig | None = None,
    limits: Limits | None = None,
    directory: Directory | None = None,
    objects: Objects | None = None,
    region: str | None = None,
) -> ImageApp:
    """The image service over an open database; bytes are in `state`/images."""
    config = config or ImageConfig()
    trusted = config.signatures.trusted
    return ImageApp(
        db=db,
        clock=clock,
        operations=operations,
        stores=stores_of(config, state, objects),
        web=HttpSource(config.web),
        config=config,
        certificates=CertificateFolder(state / config.signatures.folder),
        trusted=tuple(load_pem_x509_certificates((state / trusted).read_bytes())) if trusted else (),
        limits=limits,
        directory=directory,
        far=FarImages(config.web),
        guard=_guard(state, config),
        region=region,
    )


def _guard(state: Path, config: ImageConfig) -> Guard:
    if not config.property_protection_file:
        return Guard()
    by_policies = config.property_protection_rule_format == "policies"
    text = (state / config.property_protection_file).read_text()
    try:
        return Guard(protections_of(text, by_policies=by_policies), by_policies=by_policies)
    except NotUnderstood as bad:
        raise NotUnderstood(f"image.property_protection_file: {config.property_protection_file}: {bad}") from bad


def port(app: ImageApp) -> ImagePort:
    """What others get of it: keeps pileus.ports.image.Images and pileus.ports.image_files.ImageFiles."""
    return ImagePort(app)


def standing(app: ImageApp) -> tuple[Standing, ...]:
    """What it does for ever."""
    return (Standing("image files", EVERY_S, partial(sweep, app)),)

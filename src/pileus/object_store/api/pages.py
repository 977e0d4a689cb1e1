"""What is served outside accounts: what this object storage can do, whether it is well, where things are."""

import os

import msgspec

from pileus import __version__
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.config import ObjectStoreConfig
from pileus.object_store.features.policing import steps_of
from pileus.object_store.models import limits, manifests
from pileus.object_store.models.hosts import PREFIX
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Ask, Refused

CROSSDOMAIN = (
    b'<?xml version="1.0"?>\n'
    b'<!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd" >\n'
    b"<cross-domain-policy>\n"
    b'<allow-access-from domain="*" secure="false" />\n'
    b"</cross-domain-policy>"
)
SWIFT = "2.38.1"  # the release of Swift whose API this is: clients go by it
JSON = {"content-type": "application/json; charset=UTF-8"}
READS = {"GET", "HEAD", "OPTIONS"}


async def page(app: ObjectStoreApp, ask: Ask, parts: list[str]) -> Answer:
    """The page at an address; refuses what there is none at."""
    name = parts[0] if parts else ""
    if name not in {"info", "healthcheck", "crossdomain.xml", "endpoints"}:
        raise Refused(404 if name else 412, None if name else "Bad URL")
    if ask.method not in READS:
        raise Refused(405, headers={"allow": ", ".join(sorted(READS))})
    if ask.method == "OPTIONS":
        return Answer(headers={"allow": "HEAD, GET, OPTIONS"})
    if name == "info":
        return Answer(headers=dict(JSON), body=msgspec.json.encode(info(app)))
    if name == "healthcheck":
        return _health(app)
    if name == "crossdomain.xml":
        return Answer(headers={"content-type": "application/xml"}, body=CROSSDOMAIN)
    return _endpoints(app, parts[1:])


def _health(app: ObjectStoreApp) -> Answer:
    kind = {"content-type": "text/plain; charset=UTF-8"}
    if app.config.disable_file and os.path.exists(app.config.disable_file):
        return Answer(status=503, headers=kind, body=b"DISABLED BY FILE")
    return Answer(headers=kind, body=b"OK")


def info(app: ObjectStoreApp) -> dict[str, object]:
    """What clients may count on: limits, and each feature with its own."""
    config = app.config
    policies = [
        {"name": one.name, "aliases": ", ".join((one.name, *one.aliases)), **({"default": True} if one.default else {})}
        for one in app.cluster.rings.policies.values()
        if not one.deprecated
    ]
    swift = {
        "version": SWIFT,
        "pileus": __version__,
        "max_file_size": config.max_file_size,
        "max_meta_name_length": limits.META_NAME,
        "max_meta_value_length": limits.META_VALUE,
        "max_meta_count": limits.META_COUNT,
        "max_meta_overall_size": limits.META_OVERALL,
        "max_header_size": limits.HEADER,
        "max_object_name_length": limits.NAME_LENGTH["object"],
        "max_container_name_length": limits.NAME_LENGTH["container"],
        "max_account_name_length": limits.NAME_LENGTH["account"],
        "container_listing_limit": config.container_listing_limit,
        "account_listing_limit": config.account_listing_limit,
        "extra_header_count": 0,
        "allow_account_management": True,
        "account_autocreate": True,
        "allow_open_expired": config.allow_open_expired,
        "strict_cors_mode": True,
        "valid_api_versions": ["v1", "v1.0"],
        "policies": policies,
    }
    return {"swift": swift, **FEATURES, **_chosen(config)}


def _chosen(config: ObjectStoreConfig) -> dict[str, object]:
    """What is as the operator configured it."""
    realms: dict[str, object] = {
        name: {"clusters": {cluster: {} for cluster in realm.clusters}} for name, realm in config.realms.items()
    }
    chosen: dict[str, object] = {
        "container_sync": {"realms": realms},
        "encryption": {"enabled": config.encryption},
        "s3api": {**S3, "min_segment_size": config.s3_min_part_size},
    }
    if config.storage_domains:
        chosen["domain_remap"] = {"default_reseller_prefix": PREFIX}
    if config.storage_domains and config.cname_lookup:
        chosen["cname_lookup"] = {"lookup_depth": 1}
    if config.account_ratelimit or config.container_ratelimit or config.container_listing_ratelimit:
        chosen["ratelimit"] = {
            "account_ratelimit": config.account_ratelimit,
            "container_ratelimits": steps_of(config.container_ratelimit),
            "container_listing_ratelimits": steps_of(config.container_listing_ratelimit),
        }
    return chosen


S3: dict[str, object] = {
    "allow_multipart_uploads": True,
    "max_bucket_listing": 1000,
    "max_multi_delete_objects": 1000,
    "max_parts_listing": 1000,
    "max_upload_part_num": 10_000,
    "s3_acl": False,
}


FEATURES: dict[str, object] = {
    "account_quotas": {},
    "bulk_delete": {"max_deletes_per_request": 10_000, "max_failed_deletes": 1_000},
    "bulk_upload": {"max_containers_per_extraction": 10_000, "max_failed_extractions": 1_000},
    "container_quotas": {},
    "cors": {},
    "crossdomain": {},
    "dlo": {"max_segments": 10_000},
    "etag_quoter": {"enable_by_default": False},
    "formpost": {"allowed_digests": ["sha1", "sha256", "sha512"], "deprecated_digests": ["sha1"]},
    "keystoneauth": {},
    "listing_formats": {},
    "object_versioning": {},
    "read_only": {},
    "slo": {
        "max_manifest_segments": manifests.MOST_SEGMENTS,
        "max_manifest_size": manifests.MOST_BYTES,
        "min_segment_size": 1,
        "yield_frequency": 10,
        "allow_async_delete": True,
    },
    "staticweb": {},
    "symlink": {"symloop_max": 2, "static_links": True},
    "tempurl": {
        "methods": ["GET", "HEAD", "PUT", "POST", "DELETE"],
        "incoming_remove_headers": ["x-timestamp"],
        "incoming_allow_headers": [],
        "outgoing_remove_headers": ["x-object-meta-*"],
        "outgoing_allow_headers": ["x-object-meta-public-*"],
        "allowed_digests": ["sha1", "sha256", "sha512"],
        "deprecated_digests": ["sha1"],
    },
    "versioned_writes": {"allowed_flags": ["x-versions-location", "x-history-location"]},
}


def _endpoints(app: ObjectStoreApp, parts: list[str]) -> Answer:
    """Where a thing is stored, for programs that go to the data."""
    if parts and parts[0] in {"v1", "v2"}:
        parts = parts[1:]
    names = [part for part in ("/".join(parts[2:]) if len(parts) > 2 else "",) if part]
    if not parts or not parts[0]:
        raise Refused(400)
    container = parts[1] if len(parts) > 1 and parts[1] else None
    path = Path(parts[0], container, names[0] if names and container else None)
    hosts = [
        f"http://{at.device.host or 'localhost'}/{at.device.name}/{at.partition}{path.quoted}"
        for at in app.cluster.rings.places(path)
    ]
    return Answer(headers=dict(JSON), body=msgspec.json.encode({"endpoints": hosts, "headers": {}}))

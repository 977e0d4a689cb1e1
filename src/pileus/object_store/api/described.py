"""What the API can do, as an OpenAPI document (at `/openapi/object-store.json`).

The Swift API tells most of its features apart by headers and queries, not by addresses: `x-actions` lists those that an
operation heeds, and `""` where it does something without any. Addresses and methods: the public API reference.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

ACCOUNT, CONTAINER, OBJECT = "/v1/{account}", "/v1/{account}/{container}", "/v1/{account}/{container}/{object}"
WRONG = {"description": "A refusal, in plain words."}


class Way(msgspec.Struct, frozen=True):
    """One method at one address: what it does, how it may end well, and the headers and queries that steer it."""

    method: str
    path: str
    summary: str
    ends: tuple[int, ...]
    heeds: tuple[str, ...] = ()
    open: bool = False  # answered without a token


def _headers(*names: str) -> tuple[str, ...]:
    return tuple(f"header {name}" for name in names)


FORMAT = "?format={json|xml|plain}"
ARCHIVE = "?extract-archive={tar|tar.gz|tar.bz2}"
SIGNED = "?temp_url_sig&temp_url_expires"
VERSION, VERSION_OR_NULL = "?version-id={id}", "?version-id={id|null}"
PARTS = ("?multipart-manifest=get", "?part-number={n}")
OLD_VERSIONS = _headers("X-Versions-Location", "X-History-Location", "X-Versions-Enabled")
OPEN_EXPIRED = "header X-Open-Expired"
WEB = _headers(*(f"X-Container-Meta-Web-{name}" for name in (
    "Index", "Listings", "Listings-CSS", "Listings-Label", "Error", "Directory-Type"
)))  # fmt: skip
SYNC_AUTH = "header X-Container-Sync-Auth"

WAYS = (
    Way("GET", "/info", "What this object storage can do.", (200,), open=True),
    Way("HEAD", "/info", "Whether it is there.", (200,), open=True),
    Way("OPTIONS", "/info", "What browsers may ask.", (200,), open=True),
    Way("GET", "/healthcheck", "Whether it is well.", (200,), open=True),
    Way(
        "GET", "/auth/v1.0", "A token for a user and a key, as from before identity.", (200,),
        ("headers X-Auth-User X-Auth-Key",), open=True,
    ),
    Way("GET", "/crossdomain.xml", "Which Flash and Silverlight programs may ask.", (200,), open=True),
    Way("GET", "/endpoints/{version}/{account}", "On which devices an account is.", (200,), open=True),
    Way("GET", "/endpoints/{version}/{account}/{container}", "On which devices a container is.", (200,), open=True),
    Way("GET", "/endpoints/{version}/{account}/{container}/{object}", "On which devices an object is.", (200,), open=True),
    Way(
        "GET", ACCOUNT, "The containers of an account.", (200, 204),
        (FORMAT, "?limit&marker&end_marker&prefix&delimiter&reverse"),
    ),
    Way("HEAD", ACCOUNT, "How much an account has.", (200, 204)),
    Way(
        "POST", ACCOUNT, "Set an account's metadata, or delete many things.", (200, 204),
        (
            "?bulk-delete",
            *_headers(
                "X-Account-Meta-Temp-URL-Key", "X-Account-Meta-Temp-URL-Key-2", "X-Account-Meta-Quota-Bytes",
                "X-Account-Quota-Bytes", "X-Account-Quota-Bytes-Policy-{name}", "X-Account-Quota-Count",
                "X-Account-Quota-Count-Policy-{name}", "X-Account-Access-Control", "X-Account-Rfc-Compliant-Etags",
                "X-Account-Sysmeta-Read-Only",
            ),
        ),
    ),
    Way("PUT", ACCOUNT, "Make an account, or put an archive's files into it.", (200, 201, 202), (ARCHIVE,)),
    Way("DELETE", ACCOUNT, "Delete an account, or many things in it.", (200, 204), ("?bulk-delete",)),
    Way("OPTIONS", ACCOUNT, "What browsers may ask.", (200,), open=True),
    Way(
        "GET", CONTAINER, "The objects of a container, or a page of a web site.", (200, 204, 301, 404),
        (FORMAT, "?limit&marker&end_marker&prefix&delimiter&path&reverse", "?versions", *WEB),
    ),
    Way("HEAD", CONTAINER, "How much a container has.", (200, 204)),
    Way(
        "PUT", CONTAINER, "Make a container, or put an archive's files into it.", (200, 201, 202),
        (ARCHIVE, *OLD_VERSIONS, "header X-Storage-Policy"),
    ),
    Way(
        "POST", CONTAINER, "Set a container's metadata, or upload by a form.", (201, 204, 303),
        (
            "multipart/form-data", *OLD_VERSIONS, *WEB,
            *_headers(
                "X-Remove-Versions-Location", "X-Container-Meta-Temp-URL-Key", "X-Container-Meta-Temp-URL-Key-2",
                "X-Container-Meta-Quota-Bytes", "X-Container-Meta-Quota-Count", "X-Container-Read", "X-Container-Write",
                "X-Container-Sync-To", "X-Container-Sync-Key", "X-Container-Meta-Access-Control-Allow-Origin",
                "X-Container-Meta-Access-Control-Max-Age", "X-Container-Meta-Access-Control-Expose-Headers",
                "X-Container-Rfc-Compliant-Etags",
            ),
        ),
    ),
    Way("DELETE", CONTAINER, "Delete an empty container.", (204,)),
    Way("OPTIONS", CONTAINER, "What browsers may ask.", (200,), open=True),
    Way(
        "GET", OBJECT, "An object's content.", (200, 206, 304),
        (
            *PARTS, "?multipart-manifest=get&format=raw", SIGNED, "?temp_url_prefix", "?temp_url_ip_range", "?filename",
            "?inline", VERSION_OR_NULL, "?symlink=get", OPEN_EXPIRED,
        ),
    ),
    Way(
        "HEAD", OBJECT, "An object's metadata.", (200, 304),
        (*PARTS, SIGNED, VERSION_OR_NULL, "?symlink=get", OPEN_EXPIRED),
    ),
    Way(
        "PUT", OBJECT, "Write or copy an object, make a large one of parts, or put an archive's files.", (200, 201),
        (
            "?multipart-manifest=put", ARCHIVE, SIGNED, VERSION, SYNC_AUTH, "header X-Copy-From",
            "?multipart-manifest=get + X-Copy-From",
            *_headers(
                "X-Object-Manifest", "X-Symlink-Target", "X-Symlink-Target-Account", "X-Symlink-Target-Etag",
                "X-Delete-At", "X-Delete-After",
            ),
        ),
    ),
    Way(
        "POST", OBJECT, "Set an object's metadata, or upload by a form.", (201, 202, 303, 307),
        (
            SIGNED, VERSION, "multipart/form-data", "target is a symlink", OPEN_EXPIRED,
            *_headers("X-Object-Manifest", "X-Delete-At", "X-Delete-After", "X-Remove-Delete-At"),
        ),
    ),
    Way(
        "DELETE", OBJECT, "Delete an object, or one that has parts with them.", (200, 204),
        (
            "?multipart-manifest=delete", "?multipart-manifest=delete&async=yes", SIGNED, VERSION_OR_NULL, SYNC_AUTH,
        ),
    ),
    Way("COPY", OBJECT, "Copy an object to the address in the header Destination.", (201,)),
    Way("OPTIONS", OBJECT, "What browsers may ask.", (200,), open=True),
)  # fmt: skip


def document(ways: Sequence[Way], *, mount: str, release: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these ways; `info` and its like stand at the root of the host as well."""
    paths: dict[str, dict[str, Any]] = {}
    for way in ways:
        # OpenAPI 3.1 has no word for COPY. It stands among the others all the same: readers pass over what they do not know.
        paths.setdefault(way.path, {})[way.method.lower()] = _operation(way)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pileus object_store", "version": release},
        "x-openstack-mount": f"/{mount}",
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}}},
    }


def _operation(way: Way) -> Mapping[str, Any]:
    names = [part[1:-1] for part in way.path.split("/") if part.startswith("{")]
    level = names[-1] if names else way.path.strip("/").partition(".")[0] or "service"
    made: dict[str, Any] = {
        "operationId": f"{way.method.lower()}_{level}" + ("_endpoints" if way.path.startswith("/endpoints") else ""),
        "summary": way.summary,
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names],
        "responses": {
            **{
                str(status): {"description": "Done." if status < 300 else "See there."}
                for status in way.ends
                if status < 400
            },
            "default": WRONG,
        },
        "security": [] if way.open else [{"token": []}, {}],
    }
    if way.heeds:
        made["x-actions"] = ["", *way.heeds]
    return made

"""What S3 can be asked, for the OpenAPI document: derived from the table of operations.

S3's addresses are those at the root of the host (with `/s3` before them as well), and below a bucket's own host name.
"""

from collections import defaultdict
from collections.abc import Mapping

from pileus.object_store.api.described import Way
from pileus.object_store.s3.routes import BUCKET, COPY, OBJECT, PART_COPY, SERVICE, Operation

PLACES = (("/", "buckets", SERVICE), ("/{bucket}", "a bucket", BUCKET), ("/{bucket}/{key}", "an object", OBJECT))
# What one operation heeds besides its name.
MORE = {
    "ListObjects": ("ListObjectsV2 ?list-type=2",),
    "GetObject": ("GetObject ?versionId", "GetObject ?partNumber"),
    "HeadObject": ("HeadObject ?versionId", "HeadObject ?partNumber"),
    "DeleteObject": ("DeleteObject ?versionId",),
    "PutObject": (f"{COPY.name} x-amz-copy-source",),
    "UploadPart": (f"{PART_COPY.name} ?partNumber&uploadId + x-amz-copy-source",),
}
ENDS = {"GET": (200, 206, 304), "HEAD": (200, 206, 304), "PUT": (200,), "POST": (200, 204), "DELETE": (204,)}


def ways() -> tuple[Way, ...]:
    """Each method at each address, with the operations that it stands for."""
    return tuple(way for path, what, table in PLACES for way in _at(path, what, table))


def _at(path: str, what: str, table: Mapping[tuple[str, str], Operation]) -> list[Way]:
    by_method: dict[str, list[str]] = defaultdict(list)
    for (method, asked), operation in table.items():
        query = "partNumber&uploadId" if operation.name == "UploadPart" else asked
        by_method[method] += [f"{operation.name} ?{query}" if query else operation.name, *MORE.get(operation.name, ())]
    return [Way(method, path, f"S3: {what}.", ENDS[method], tuple(names)) for method, names in by_method.items()]

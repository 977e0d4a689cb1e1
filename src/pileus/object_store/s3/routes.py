"""Which operation answers which request: by what is named (nothing, a bucket, a key), the method, and what the query asks for.

The names are those of the vendor's API; bucket policies allow and deny by them.
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from pileus.object_store.proxy.asks import Answer
from pileus.object_store.s3 import (
    acls,
    attributes,
    buckets,
    completion,
    copies,
    cors,
    deletions,
    encryption,
    listings,
    locks,
    objects,
    parts,
    policies,
    rules,
    tags,
    uploads,
)
from pileus.object_store.s3.call import Call
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.requests import Request

Handler = Callable[[Call], Awaitable[Answer]]


class Operation(msgspec.Struct, frozen=True):
    """Something S3 can be asked; `action` is what policies call it."""

    name: str
    action: str
    handler: Handler


def _of(name: str, handler: Handler, action: str = "") -> Operation:
    return Operation(name, f"s3:{action or name}", handler)


SERVICE: Mapping[tuple[str, str], Operation] = {
    ("GET", ""): _of("ListBuckets", buckets.bucket_list, "ListAllMyBuckets"),
}

BUCKET: Mapping[tuple[str, str], Operation] = {
    ("PUT", ""): _of("CreateBucket", buckets.bucket_put),
    ("HEAD", ""): _of("HeadBucket", buckets.bucket_head, "ListBucket"),
    ("DELETE", ""): _of("DeleteBucket", buckets.bucket_delete),
    ("GET", ""): _of("ListObjects", listings.object_list, "ListBucket"),
    ("GET", "versions"): _of("ListObjectVersions", listings.version_list, "ListBucketVersions"),
    ("GET", "acl"): _of("GetBucketAcl", acls.bucket_acl_get),
    ("PUT", "acl"): _of("PutBucketAcl", acls.bucket_acl_put),
    ("GET", "location"): _of("GetBucketLocation", buckets.location_get),
    ("GET", "logging"): _of("GetBucketLogging", buckets.nothing_logged),
    ("PUT", "logging"): _of("PutBucketLogging", buckets.logging_refused),
    ("GET", "notification"): _of("GetBucketNotification", buckets.nothing_notified),
    ("GET", "accelerate"): _of(
        "GetBucketAccelerateConfiguration", buckets.nothing_accelerated, "GetAccelerateConfiguration"
    ),
    ("GET", "requestPayment"): _of("GetBucketRequestPayment", buckets.payer_get),
    ("GET", "versioning"): _of("GetBucketVersioning", buckets.versioning_get),
    ("PUT", "versioning"): _of("PutBucketVersioning", buckets.versioning_put),
    ("GET", "tagging"): _of("GetBucketTagging", tags.bucket_tagging_get),
    ("PUT", "tagging"): _of("PutBucketTagging", tags.bucket_tagging_put),
    ("DELETE", "tagging"): _of("DeleteBucketTagging", tags.bucket_tagging_delete, "PutBucketTagging"),
    ("GET", "object-lock"): _of(
        "GetObjectLockConfiguration", locks.configuration_get, "GetBucketObjectLockConfiguration"
    ),
    ("PUT", "object-lock"): _of(
        "PutObjectLockConfiguration", locks.configuration_put, "PutBucketObjectLockConfiguration"
    ),
    ("POST", "delete"): _of("DeleteObjects", deletions.objects_delete, "DeleteObject"),
    ("GET", "uploads"): _of("ListMultipartUploads", uploads.upload_list, "ListBucketMultipartUploads"),
    ("GET", "cors"): _of("GetBucketCors", cors.cors_get, "GetBucketCORS"),
    ("PUT", "cors"): _of("PutBucketCors", cors.cors_put, "PutBucketCORS"),
    ("DELETE", "cors"): _of("DeleteBucketCors", cors.cors_delete, "PutBucketCORS"),
    ("GET", "lifecycle"): _of("GetBucketLifecycle", rules.lifecycle_get, "GetLifecycleConfiguration"),
    ("PUT", "lifecycle"): _of("PutBucketLifecycle", rules.lifecycle_put, "PutLifecycleConfiguration"),
    ("DELETE", "lifecycle"): _of("DeleteBucketLifecycle", rules.lifecycle_delete, "PutLifecycleConfiguration"),
    ("GET", "policy"): _of("GetBucketPolicy", policies.policy_get),
    ("PUT", "policy"): _of("PutBucketPolicy", policies.policy_put),
    ("DELETE", "policy"): _of("DeleteBucketPolicy", policies.policy_delete),
    ("GET", "policyStatus"): _of("GetBucketPolicyStatus", policies.policy_status),
    ("GET", "encryption"): _of("GetBucketEncryption", encryption.encryption_get, "GetEncryptionConfiguration"),
    ("PUT", "encryption"): _of("PutBucketEncryption", encryption.encryption_put, "PutEncryptionConfiguration"),
    ("GET", "replication"): _of("GetBucketReplication", buckets.absent, "GetReplicationConfiguration"),
    ("GET", "website"): _of("GetBucketWebsite", buckets.absent),
    ("GET", "publicAccessBlock"): _of("GetPublicAccessBlock", buckets.absent, "GetBucketPublicAccessBlock"),
    ("GET", "ownershipControls"): _of("GetBucketOwnershipControls", buckets.absent),
}

OBJECT: Mapping[tuple[str, str], Operation] = {
    ("GET", ""): _of("GetObject", objects.object_get),
    ("HEAD", ""): _of("HeadObject", objects.object_get, "GetObject"),
    ("PUT", ""): _of("PutObject", objects.object_put),
    ("DELETE", ""): _of("DeleteObject", objects.object_delete),
    ("GET", "acl"): _of("GetObjectAcl", acls.object_acl_get),
    ("PUT", "acl"): _of("PutObjectAcl", acls.object_acl_put),
    ("GET", "tagging"): _of("GetObjectTagging", tags.object_tagging_get),
    ("PUT", "tagging"): _of("PutObjectTagging", tags.object_tagging_put),
    ("DELETE", "tagging"): _of("DeleteObjectTagging", tags.object_tagging_delete),
    ("GET", "attributes"): _of("GetObjectAttributes", attributes.attributes_get),
    ("GET", "retention"): _of("GetObjectRetention", locks.retention_get),
    ("PUT", "retention"): _of("PutObjectRetention", locks.retention_put),
    ("GET", "legal-hold"): _of("GetObjectLegalHold", locks.legal_hold_get),
    ("PUT", "legal-hold"): _of("PutObjectLegalHold", locks.legal_hold_put),
    ("POST", "uploads"): _of("CreateMultipartUpload", uploads.upload_create, "PutObject"),
    ("PUT", "uploadId"): _of("UploadPart", parts.part_put, "PutObject"),
    ("GET", "uploadId"): _of("ListParts", parts.part_list, "ListMultipartUploadParts"),
    ("POST", "uploadId"): _of("CompleteMultipartUpload", completion.upload_complete, "PutObject"),
    ("DELETE", "uploadId"): _of("AbortMultipartUpload", uploads.upload_abort),
}

COPY = _of("CopyObject", copies.object_copy, "PutObject")
PART_COPY = _of("UploadPartCopy", parts.part_copy, "PutObject")


def operation_of(request: Request) -> Operation:
    """What the request asks; raises NotImplemented or MethodNotAllowed."""
    table = SERVICE if request.bucket is None else BUCKET if request.key is None else OBJECT
    found = table.get((request.method, request.asked))
    if found is None:
        known = {method for method, asked in table if asked == request.asked}
        if request.asked and not known:
            raise S3Error("NotImplemented", f"There is no {request.asked} here.")
        if request.asked and request.method in {"GET", "PUT", "DELETE", "POST", "HEAD"}:
            raise S3Error("NotImplemented", f"{request.method} ?{request.asked} is not implemented.")
        raise S3Error("MethodNotAllowed", headers={"allow": ", ".join(sorted(known))})
    if request.method == "PUT" and "x-amz-copy-source" in request.headers:
        return {"PutObject": COPY, "UploadPart": PART_COPY}.get(found.name, found)
    return found

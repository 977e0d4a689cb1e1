"""Encryption as S3 speaks of it (SSE-S3): where objects are encrypted at rest, AES256 is what every bucket and object has.

Whether that is so is the operator's choice, for all buckets. Keys of clients and of key services are refused.
"""

from collections.abc import Mapping

from pileus.object_store.features.encryption import SHOWN
from pileus.object_store.proxy.asks import Answer
from pileus.object_store.s3.call import Call, document_of
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.xml import box, document, parsed, tag

HEADER, KIND = "x-amz-server-side-encryption", "AES256"
OTHERS = ("x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-aws-kms-key-id")


def require_encryption(call: Call) -> None:
    """The object will be encrypted as the request wants; raises NotImplemented when it would not."""
    wanted = call.header(HEADER)
    if any(call.header(name) for name in OTHERS) or wanted not in {"", KIND}:
        raise S3Error("NotImplemented", "Objects are not encrypted with keys of their own.")
    if wanted and not call.app.config.encryption:
        raise S3Error("NotImplemented", f"{HEADER}: objects are not encrypted here.")


def sealed_header(headers: Mapping[str, str]) -> dict[str, str]:
    """That an object is encrypted, if it is."""
    return {HEADER: KIND} if SHOWN in headers else {}


async def encryption_get(call: Call) -> Answer:
    """That all that is written to the bucket is encrypted; raises when it is not."""
    await call.owned()
    if not call.app.config.encryption:
        raise S3Error("ServerSideEncryptionConfigurationNotFoundError", about={"BucketName": str(call.request.bucket)})
    chosen = box("ApplyServerSideEncryptionByDefault", tag("SSEAlgorithm", KIND))
    body = document("ServerSideEncryptionConfiguration", box("Rule", chosen, tag("BucketKeyEnabled", "false")))
    return Answer(headers={"content-type": "application/xml"}, body=body)


async def encryption_put(call: Call) -> Answer:
    """What is written to the bucket is encrypted as it is everywhere; raises NotImplemented when that is not what is wanted."""
    await call.owned()
    root = parsed(await document_of(call), "ServerSideEncryptionConfiguration")
    chosen = [one.one("ApplyServerSideEncryptionByDefault") for one in root.all("Rule")]
    kinds = {one.said("SSEAlgorithm") for one in chosen if one is not None}
    if not kinds:
        raise S3Error("MalformedXML")
    if kinds != {KIND} or not call.app.config.encryption:
        raise S3Error(
            "NotImplemented",
            "Whether objects are encrypted is chosen for all buckets; with keys of others they never are.",
        )
    return Answer()

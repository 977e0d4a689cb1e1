"""Objects over S3, as boto3 and plain requests use them; the Swift API sees the same."""

import hashlib
import os
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.object_store.s3_world import HOST, S3World, s3_world


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as wrong:
        call(**arguments)
    return str(wrong.value.response["Error"]["Code"])


def box(world: S3World, **config: Any) -> Any:
    client = world.client(**config)
    client.create_bucket(Bucket="box")
    return client


def test_what_is_put_is_got_by_both_apis(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        content = os.urandom(700_000)
        about = {
            "ContentType": "image/png", "CacheControl": "no-cache", "ContentDisposition": "inline", "ContentEncoding": "br",
            "ContentLanguage": "de", "Metadata": {"colour": "blue", "long-name": "x" * 200},
        }  # fmt: skip
        made = client.put_object(Bucket="box", Key="a/b c+d\u00e4", Body=content, **about)
        assert f'"{hashlib.md5(content).hexdigest()}"' == made["ETag"]
        got = client.get_object(Bucket="box", Key="a/b c+d\u00e4")
        assert content == got["Body"].read()
        assert about == {name: got[name] for name in about}
        assert "bytes" == got["AcceptRanges"]
        swift = world.run(world.service.ask("GET", "box/a/b c+d\u00e4"))
        assert (content, "blue", "image/png") == (
            swift.body, swift.headers["x-object-meta-colour"], swift.headers["content-type"],
        )  # fmt: skip
        assert not [name for name in swift.headers if "sysmeta" in name]
        world.run(world.service.put("box/swift", b"from Swift", x_object_meta_a="1"))
        got = client.get_object(Bucket="box", Key="swift")
        assert (b"from Swift", {"a": "1"}) == (got["Body"].read(), got["Metadata"])
        client.delete_object(Bucket="box", Key="swift")
        client.delete_object(Bucket="box", Key="swift")
        assert "NoSuchKey" == refused(client.get_object, Bucket="box", Key="swift")
        assert "404" == refused(client.head_object, Bucket="box", Key="swift")


def test_ranges_and_conditions_of_reads(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        etag = client.put_object(Bucket="box", Key="o", Body=b"0123456789")["ETag"]
        key = {"Bucket": "box", "Key": "o"}
        for asked, found, told in (
            ("bytes=2-4", b"234", "bytes 2-4/10"), ("bytes=7-", b"789", "bytes 7-9/10"), ("bytes=-2", b"89", "bytes 8-9/10"),
        ):  # fmt: skip
            got = client.get_object(**key, Range=asked)
            assert (206, found, told) == (
                got["ResponseMetadata"]["HTTPStatusCode"],
                got["Body"].read(),
                got["ContentRange"],
            )
        assert "InvalidRange" == refused(client.get_object, **key, Range="bytes=10-")
        assert "304" == refused(client.get_object, **key, IfNoneMatch=etag)
        assert "PreconditionFailed" == refused(client.get_object, **key, IfMatch='"0"')
        changed = client.head_object(**key)["LastModified"]
        assert "304" == refused(client.get_object, **key, IfModifiedSince=changed)
        assert (
            b"0123456789"
            == client.get_object(**key, IfMatch=etag, IfUnmodifiedSince=changed.replace(year=2000))["Body"].read()
        )


def test_writes_under_conditions(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        key = {"Bucket": "box", "Key": "o"}
        assert "NoSuchKey" == refused(client.put_object, **key, Body=b"1", IfMatch='"0"')
        etag = client.put_object(**key, Body=b"1", IfNoneMatch="*")["ETag"]
        assert "PreconditionFailed" == refused(client.put_object, **key, Body=b"2", IfNoneMatch="*")
        assert "PreconditionFailed" == refused(client.put_object, **key, Body=b"2", IfMatch='"0"')
        client.put_object(**key, Body=b"2", IfMatch=etag)
        assert b"2" == client.get_object(**key)["Body"].read()
        assert "PreconditionFailed" == refused(client.delete_object, **key, IfMatch=etag)
        client.delete_object(**key, IfMatch=f'"{hashlib.md5(b"2").hexdigest()}"')
        assert "NoSuchKey" == refused(client.get_object, **key)


KNOWN = {  # of b"123456789": the check values of the catalogue of parametrised CRCs
    "CRC32": 0xCBF43926.to_bytes(4, "big"),
    "CRC32C": 0xE3069283.to_bytes(4, "big"),
    "CRC64NVME": 0xAE8B14860A799888.to_bytes(8, "big"),
    "SHA1": hashlib.sha1(b"123456789").digest(),
    "SHA256": hashlib.sha256(b"123456789").digest(),
}


@pytest.mark.parametrize("name", list(KNOWN))
def test_sums_are_held_against_the_bytes_and_kept(tmp_path: Path, name: str) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        field, value = f"Checksum{name}", b64encode(KNOWN[name]).decode()
        made = client.put_object(Bucket="box", Key="o", Body=b"123456789", **{field: value})
        assert value == made[field]
        assert value == client.head_object(Bucket="box", Key="o", ChecksumMode="ENABLED")[field]
        assert field not in client.head_object(Bucket="box", Key="o")
        wrong = b64encode(bytes(len(KNOWN[name]))).decode()
        assert "BadDigest" == refused(client.put_object, Bucket="box", Key="p", Body=b"123456789", **{field: wrong})
        assert "InvalidRequest" == refused(client.put_object, Bucket="box", Key="p", Body=b"1", **{field: "abc"})
        assert ["o"] == world.run(world.service.listing("box"))
        copied = client.copy_object(Bucket="box", Key="c", CopySource="box/o", ChecksumAlgorithm=name)
        assert value == copied["CopyObjectResult"][field]
        told = client.get_object_attributes(Bucket="box", Key="c", ObjectAttributes=["ETag", "Checksum", "ObjectSize"])
        assert (value, 9) == (told["Checksum"][field], told["ObjectSize"])


def test_md5_and_sums_behind_the_body(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        good = b64encode(hashlib.md5(b"bytes").digest()).decode()
        client.put_object(Bucket="box", Key="o", Body=b"bytes", ContentMD5=good)
        assert "BadDigest" == refused(client.put_object, Bucket="box", Key="p", Body=b"other", ContentMD5=good)
        assert "InvalidDigest" == refused(client.put_object, Bucket="box", Key="p", Body=b"other", ContentMD5="xyz")
        # Anybody's upload with trailers, as SDKs send over TLS: the signature is of the headers alone.
        url = client.generate_presigned_url("put_object", Params={"Bucket": "box", "Key": "t"}, ExpiresIn=60)
        sum = b64encode(zlib.crc32(b"abc" * 50_000).to_bytes(4, "big")).decode()
        body = b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % (150_000, b"abc" * 50_000, sum.encode())
        headers = {
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length": "150000",
            "x-amz-trailer": "x-amz-checksum-crc32",
        }  # fmt: skip
        assert 403 == world.ask("PUT", url, body, headers)[0]  # headers of the vendor that were not signed
        assert ["o"] == world.run(world.service.listing("box"))


def test_copies_take_or_replace_what_describes_their_source(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        client.create_bucket(Bucket="other")
        etag = client.put_object(
            Bucket="box", Key="a b", Body=b"x", ContentType="a/b", Metadata={"a": "1"}, Tagging="k=v"
        )["ETag"]
        source = {"Bucket": "box", "Key": "a b"}
        client.copy_object(Bucket="other", Key="c", CopySource=source)
        got = client.get_object(Bucket="other", Key="c")
        assert (b"x", "a/b", {"a": "1"}, 1) == (
            got["Body"].read(),
            got["ContentType"],
            got["Metadata"],
            got["TagCount"],
        )
        client.copy_object(
            Bucket="other", Key="c", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"},
            TaggingDirective="REPLACE", Tagging="n=1&m=2",
        )  # fmt: skip
        got = client.head_object(Bucket="other", Key="c")
        assert ("binary/octet-stream", {"b": "2"}, 2) == (got["ContentType"], got["Metadata"], got["TagCount"])
        assert "InvalidRequest" == refused(client.copy_object, Bucket="box", Key="a b", CopySource=source)
        client.copy_object(Bucket="box", Key="a b", CopySource=source, MetadataDirective="REPLACE", Metadata={"c": "3"})
        assert {"c": "3"} == client.head_object(**source)["Metadata"]
        assert "PreconditionFailed" == refused(
            client.copy_object, Bucket="other", Key="d", CopySource=source, CopySourceIfNoneMatch=etag
        )
        assert "PreconditionFailed" == refused(
            client.copy_object, Bucket="other", Key="d", CopySource=source, CopySourceIfMatch='"0"'
        )
        assert "NoSuchKey" == refused(client.copy_object, Bucket="other", Key="d", CopySource="box/none")
        assert "NoSuchBucket" == refused(client.copy_object, Bucket="other", Key="d", CopySource="none/none")


def test_tags_of_objects(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        key = {"Bucket": "box", "Key": "o"}
        client.put_object(**key, Body=b"x", ContentType="a/b", Metadata={"a": "1"}, Tagging="one=1&two=a%20b")
        assert [("one", "1"), ("two", "a b")] == [
            (t["Key"], t["Value"]) for t in client.get_object_tagging(**key)["TagSet"]
        ]
        client.put_object_tagging(**key, Tagging={"TagSet": [{"Key": "\u00e4&=", "Value": " v "}]})
        assert [{"Key": "\u00e4&=", "Value": " v "}] == client.get_object_tagging(**key)["TagSet"]
        got = client.get_object(**key)
        assert (b"x", "a/b", {"a": "1"}) == (got["Body"].read(), got["ContentType"], got["Metadata"])
        client.delete_object_tagging(**key)
        assert [] == client.get_object_tagging(**key)["TagSet"]
        many = {"TagSet": [{"Key": str(n), "Value": ""} for n in range(11)]}
        assert "InvalidTag" == refused(client.put_object_tagging, **key, Tagging=many)
        twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
        assert "InvalidTag" == refused(client.put_object_tagging, **key, Tagging=twice)


def test_many_are_deleted_at_once(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        keys = [f"k/{n}&<>" for n in range(20)]
        for key in keys:
            client.put_object(Bucket="box", Key=key, Body=b"")
        said = client.delete_objects(Bucket="box", Delete={"Objects": [{"Key": key} for key in [*keys[:15], "none"]]})
        assert sorted([*keys[:15], "none"]) == sorted(one["Key"] for one in said["Deleted"])
        said = client.delete_objects(
            Bucket="box", Delete={"Objects": [{"Key": key} for key in keys[15:]], "Quiet": True}
        )
        assert "Deleted" not in said
        assert [] == world.run(world.service.listing("box"))


@pytest.mark.parametrize(
    "document",
    [
        b"", b"<", b"<Delete/>", b"<Other><Object><Key>o</Key></Object></Other>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>&b;</Key></Object></Delete>',
        b'<Delete xmlns="http://example.com/"><Object><Key>o</Key></Object></Delete>',
        b"<Delete>" + b"<Object><Key>o</Key></Object>" * 1001 + b"</Delete>",
        b"<Delete>" + b"<a>" * 100 + b"</a>" * 100 + b"</Delete>",
        b'<?xml version="1.0" encoding="nonsense"?><Delete><Object><Key>o</Key></Object></Delete>',
    ],
)  # fmt: skip
def test_documents_that_are_none_are_refused(tmp_path: Path, document: bytes) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        client.put_object(Bucket="box", Key="o", Body=b"x")
        client.meta.events.register(
            "before-sign.s3.DeleteObjects", lambda request, **_: setattr(request, "data", document)
        )
        client.meta.events.register("before-sign.s3.DeleteObjects", _without_sums)
        said = refused(client.delete_objects, Bucket="box", Delete={"Objects": [{"Key": "o"}]})
        assert "MalformedXML" == said
        assert ["o"] == world.run(world.service.listing("box"))


def _without_sums(request: Any, **_: object) -> None:
    for name in list(request.headers):
        if name.lower().startswith(("x-amz-checksum", "x-amz-sdk")):
            del request.headers[name]
    request.headers["Content-MD5"] = b64encode(hashlib.md5(request.data).digest()).decode()


def test_what_is_not_done_is_said(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        key = {"Bucket": "box", "Key": "o"}
        assert "NotImplemented" == refused(client.put_object, **key, Body=b"", ServerSideEncryption="AES256")
        assert "InvalidStorageClass" == refused(client.put_object, **key, Body=b"", StorageClass="GLACIER")
        assert "AccessControlListNotSupported" == refused(client.put_object, **key, Body=b"", ACL="public-read")
        assert "KeyTooLongError" == refused(client.put_object, Bucket="box", Key="k" * 1025, Body=b"")
        assert "MetadataTooLarge" == refused(client.put_object, **key, Body=b"", Metadata={"a": "x" * 2100})
        assert "NotImplemented" == refused(client.put_bucket_logging, Bucket="box", BucketLoggingStatus={})
        assert "NotImplemented" == refused(client.put_bucket_website, Bucket="box", WebsiteConfiguration={})
        status, headers, body = world.ask("PATCH", f"http://{HOST}/s3/box")
        assert (405, True) == (status, b"MethodNotAllowed" in body)
        assert headers["x-amz-request-id"].encode() in body

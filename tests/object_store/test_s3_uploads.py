"""Uploads in parts over S3."""

import hashlib
import os
from base64 import b64encode
from binascii import unhexlify
from pathlib import Path
from typing import Any

import pytest
from awscrt import checksums
from tests.object_store.s3_world import s3_world
from tests.object_store.test_s3_objects import box, refused


def begun(client: Any, key: str = "big", **about: Any) -> dict[str, Any]:
    return {
        "Bucket": "box",
        "Key": key,
        "UploadId": client.create_multipart_upload(Bucket="box", Key=key, **about)["UploadId"],
    }


def sent(client: Any, upload: dict[str, Any], contents: list[bytes], **about: Any) -> list[dict[str, Any]]:
    parts = []
    for number, content in enumerate(contents, 1):
        said = client.upload_part(**upload, PartNumber=number, Body=content, **about)
        sums = {name: value for name, value in said.items() if name.startswith("Checksum")}
        parts.append({"PartNumber": number, "ETag": said["ETag"], **sums})
    return parts


def tag_of(contents: list[bytes]) -> str:
    digests = b"".join(unhexlify(hashlib.md5(one).hexdigest()) for one in contents)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(contents)}"'


def test_parts_become_one_object_that_both_apis_read(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        contents = [os.urandom(200_000), os.urandom(100_000), b"end"]
        upload = begun(client, ContentType="a/b", Metadata={"a": "1"}, Tagging="k=v", CacheControl="no-cache")
        parts = sent(client, upload, contents)
        assert [] == world.run(world.service.listing("box"))
        listed = client.list_parts(**upload, MaxParts=2)
        assert ([1, 2], True, 2) == (
            [p["PartNumber"] for p in listed["Parts"]],
            listed["IsTruncated"],
            listed["NextPartNumberMarker"],
        )
        assert [3] == [p["PartNumber"] for p in client.list_parts(**upload, PartNumberMarker=2)["Parts"]]
        done = client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        assert tag_of(contents) == done["ETag"]
        assert done["ETag"] == client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})["ETag"]
        got = client.get_object(Bucket="box", Key="big")
        assert (b"".join(contents), done["ETag"], "a/b", {"a": "1"}, 1, "no-cache") == (
            got["Body"].read(), got["ETag"], got["ContentType"], got["Metadata"], got["TagCount"], got["CacheControl"],
        )  # fmt: skip
        assert (
            b"".join(contents)[199_990:200_010]
            == client.get_object(Bucket="box", Key="big", Range="bytes=199990-200009")["Body"].read()
        )
        third = client.get_object(Bucket="box", Key="big", PartNumber=3)
        assert (b"end", 3, "bytes 300000-300002/300003") == (
            third["Body"].read(),
            third["PartsCount"],
            third["ContentRange"],
        )
        assert "InvalidPartNumber" == refused(client.get_object, Bucket="box", Key="big", PartNumber=4)
        (entry,) = client.list_objects_v2(Bucket="box")["Contents"]
        assert (done["ETag"], 300_003) == (entry["ETag"], entry["Size"])
        swift = world.run(world.service.ask("GET", "box/big"))
        assert (b"".join(contents), "True") == (swift.body, swift.headers["x-static-large-object"])
        assert "Uploads" not in client.list_multipart_uploads(Bucket="box")
        assert ["box"] == [one["Name"] for one in client.list_buckets()["Buckets"]]
        told = client.get_object_attributes(Bucket="box", Key="big", ObjectAttributes=["ObjectParts"])["ObjectParts"]
        assert (3, [200_000, 100_000, 3]) == (told["TotalPartsCount"], [part["Size"] for part in told["Parts"]])


def test_parts_go_with_their_object(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        for end in ("delete", "put", "complete", "copy"):
            upload = begun(client)
            client.complete_multipart_upload(
                **upload, MultipartUpload={"Parts": sent(client, upload, [b"12345", b"6"])}
            )
            if end == "delete":
                client.delete_object(Bucket="box", Key="big")
            elif end == "put":
                client.put_object(Bucket="box", Key="big", Body=b"other")
            elif end == "copy":
                client.put_object(Bucket="box", Key="small", Body=b"other")
                client.copy_object(Bucket="box", Key="big", CopySource="box/small")
            else:
                second = begun(client)
                client.complete_multipart_upload(**second, MultipartUpload={"Parts": sent(client, second, [b"7"])})
                assert b"7" == client.get_object(Bucket="box", Key="big")["Body"].read()
                assert 1 == len(world.run(world.service.listing("box+segments")))
                continue
            assert [] == world.run(world.service.listing("box+segments")), end
        upload = begun(client)
        sent(client, upload, [b"12345", b"6"])
        client.abort_multipart_upload(**upload)
        assert [] == world.run(world.service.listing("box+segments"))
        assert "NoSuchUpload" == refused(client.list_parts, **upload)
        sent(client, begun(client), [b"12345"])
        for key in ("big", "small"):
            client.delete_object(Bucket="box", Key=key)
        client.delete_bucket(Bucket="box")
        assert [] == world.run(world.service.listing(""))


def test_uploads_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        upload = begun(client)
        one, two = sent(client, upload, [b"1234", b"5"])
        complete = client.complete_multipart_upload
        assert "EntityTooSmall" == refused(complete, **upload, MultipartUpload={"Parts": [one, two]})
        assert "InvalidPartOrder" == refused(complete, **upload, MultipartUpload={"Parts": [two, one]})
        assert "InvalidPartOrder" == refused(complete, **upload, MultipartUpload={"Parts": [one, one]})
        assert "InvalidPart" == refused(complete, **upload, MultipartUpload={"Parts": [{**one, "ETag": two["ETag"]}]})
        assert "InvalidPart" == refused(complete, **upload, MultipartUpload={"Parts": [one, {**two, "PartNumber": 3}]})
        assert "MalformedXML" == refused(complete, **upload, MultipartUpload={"Parts": []})
        for number in (0, 10_001):
            assert "InvalidArgument" == refused(client.upload_part, **upload, PartNumber=number, Body=b"")
        assert "NoSuchUpload" == refused(client.upload_part, **{**upload, "UploadId": "none"}, PartNumber=1, Body=b"")
        assert "NoSuchUpload" == refused(client.upload_part, **{**upload, "Key": "other"}, PartNumber=1, Body=b"")
        assert [] == world.run(world.service.listing("box"))
        client.put_object(Bucket="box", Key="big", Body=b"there")
        assert "PreconditionFailed" == refused(complete, **upload, MultipartUpload={"Parts": [two]}, IfNoneMatch="*")
        complete(**upload, MultipartUpload={"Parts": [two]}, IfMatch=f'"{hashlib.md5(b"there").hexdigest()}"')
        assert b"5" == client.get_object(Bucket="box", Key="big")["Body"].read()


def test_parts_are_copied_from_objects(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        client.put_object(Bucket="box", Key="source", Body=b"0123456789")
        upload = begun(client)
        parts = []
        for number, about in ((1, {"CopySourceRange": "bytes=2-8"}), (2, {})):
            said = client.upload_part_copy(**upload, PartNumber=number, CopySource="box/source", **about)
            parts.append({"PartNumber": number, "ETag": said["CopyPartResult"]["ETag"]})
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        assert b"23456780123456789" == client.get_object(Bucket="box", Key="big")["Body"].read()
        for wrong in ("bytes=5-10", "bytes=3-2", "5-6", "bytes=-2"):
            assert "InvalidArgument" == refused(
                client.upload_part_copy, **begun(client), PartNumber=1, CopySource="box/source", CopySourceRange=wrong
            )


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("CRC32", "FULL_OBJECT"), ("CRC32", "COMPOSITE"), ("CRC32C", "FULL_OBJECT"), ("CRC32C", "COMPOSITE"),
        ("CRC64NVME", "FULL_OBJECT"), ("SHA1", "COMPOSITE"), ("SHA256", "COMPOSITE"),
    ],
)  # fmt: skip
def test_sums_of_parts_make_the_sum_of_the_whole(tmp_path: Path, name: str, of: str) -> None:
    def crc(function: Any, size: int) -> Any:
        return lambda content: function(content).to_bytes(size, "big")

    digest = {
        "CRC32": crc(checksums.crc32, 4), "CRC32C": crc(checksums.crc32c, 4), "CRC64NVME": crc(checksums.crc64nvme, 8),
        "SHA1": lambda content: hashlib.sha1(content).digest(), "SHA256": lambda content: hashlib.sha256(content).digest(),
    }[name]  # fmt: skip
    contents = [b"a" * 70_000, b"b" * 60_000, b"c"]
    with s3_world(tmp_path) as world:
        client = box(world)
        upload = begun(client, ChecksumAlgorithm=name, ChecksumType=of)
        parts = sent(client, upload, contents, ChecksumAlgorithm=name)
        assert [b64encode(digest(one)).decode() for one in contents] == [part[f"Checksum{name}"] for part in parts]
        wrong = [{**parts[0], f"Checksum{name}": parts[1][f"Checksum{name}"]}]
        assert "InvalidPart" == refused(client.complete_multipart_upload, **upload, MultipartUpload={"Parts": wrong})
        done = client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, ChecksumType=of)
        joined = digest(b"".join(contents)) if of == "FULL_OBJECT" else digest(b"".join(map(digest, contents)))
        expected = b64encode(joined).decode() + ("" if of == "FULL_OBJECT" else "-3")
        assert (expected, of) == (done[f"Checksum{name}"], done["ChecksumType"])
        head = client.head_object(Bucket="box", Key="big", ChecksumMode="ENABLED")
        assert (expected, of) == (head[f"Checksum{name}"], head["ChecksumType"])


def test_uploads_are_listed_in_pages(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        uploads = [begun(client, key) for key in ("a/1", "a/1", "a/2", "b", "k" * 1024)]
        named = [(one["Key"], one["UploadId"]) for one in uploads]
        found = client.list_multipart_uploads(Bucket="box")["Uploads"]
        assert named == [(one["Key"], one["UploadId"]) for one in found]
        page: dict[str, Any] = {}
        paged = []
        while True:
            said = client.list_multipart_uploads(Bucket="box", MaxUploads=2, **page)
            paged += [(one["Key"], one["UploadId"]) for one in said["Uploads"]]
            if not said["IsTruncated"]:
                break
            page = {"KeyMarker": said["NextKeyMarker"], "UploadIdMarker": said["NextUploadIdMarker"]}
        assert named == paged
        said = client.list_multipart_uploads(Bucket="box", Delimiter="/")
        assert (["b", "k" * 1024], ["a/"]) == (
            [u["Key"] for u in said["Uploads"]],
            [p["Prefix"] for p in said["CommonPrefixes"]],
        )
        assert ["a/2"] == [u["Key"] for u in client.list_multipart_uploads(Bucket="box", Prefix="a/2")["Uploads"]]

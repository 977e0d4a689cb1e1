"""Buckets over S3: listings, versions, and everything that is configured for one."""

import datetime as dt
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from tests.object_store.s3_world import HOST, S3World, s3_world
from tests.object_store.test_listing_model import NASTY
from tests.object_store.test_s3_objects import box, refused
from tests.object_store.test_s3_uploads import begun, sent

from pileus.object_store.s3.lifecycle import Lifecycle


def test_buckets_are_the_containers_of_the_project(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = world.client()
        client.create_bucket(Bucket="one", CreateBucketConfiguration={"LocationConstraint": "RegionOne"})
        world.run(world.service.put("Two_of Swift", b""))
        assert ["Two_of Swift", "one"] == [one["Name"] for one in client.list_buckets()["Buckets"]]
        assert ["one"] == [one["Name"] for one in client.list_buckets(Prefix="o")["Buckets"]]
        assert [] == world.client("bob").list_buckets()["Buckets"]
        assert "RegionOne" == client.get_bucket_location(Bucket="one")["LocationConstraint"]
        assert "RegionOne" == client.head_bucket(Bucket="one")["BucketRegion"]
        assert "BucketAlreadyOwnedByYou" == refused(client.create_bucket, Bucket="one")
        world.client("bob").create_bucket(Bucket="one")
        assert "404" == refused(client.head_bucket, Bucket="none")
        client.put_object(Bucket="one", Key="o", Body=b"")
        assert "BucketNotEmpty" == refused(client.delete_bucket, Bucket="one")
        client.delete_object(Bucket="one", Key="o")
        client.delete_bucket(Bucket="one")
        assert "NoSuchBucket" == refused(client.delete_bucket, Bucket="one")
        status, _, body = world.ask("PUT", client.generate_presigned_url("create_bucket", Params={"Bucket": "UPPER"}))
        assert (400, True) == (status, b"InvalidBucketName" in body)
        assert "AccessDenied" == refused(world.client("nobody").list_buckets)
        assert "AccessDenied" == refused(world.client("rita").create_bucket, Bucket="three")


NAMES = ["a", "a/1", "a/2", "a/b/3", "b+c d", "b\u00e4", "c/", "c/1", "d\n\x01&<"]


def test_listings_of_both_versions(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        for name in NAMES:
            client.put_object(Bucket="box", Key=name, Body=b"")
        names = sorted(NAMES)
        for call, size, marker, after in (
            (client.list_objects_v2, "MaxKeys", "ContinuationToken", "NextContinuationToken"),
            (client.list_objects, "MaxKeys", "Marker", "NextMarker"),
        ):
            page: dict[str, Any] = {}
            found = []
            while True:
                said = call(Bucket="box", **{size: 2}, **page)
                found += [one["Key"] for one in said["Contents"]]
                if not said["IsTruncated"]:
                    break
                page = {marker: said.get(after) or found[-1]}
            assert names == found
            page, found = {}, []
            while True:
                said = call(Bucket="box", Delimiter="/", **{size: 1}, **page)
                found += [one["Key"] for one in said.get("Contents", [])]
                found += [one["Prefix"] for one in said.get("CommonPrefixes", [])]
                if not said["IsTruncated"]:
                    break
                page = {marker: said[after]}
            assert sorted({name.partition("/")[0] + ("/" if "/" in name else "") for name in NAMES}) == found


def test_every_name_is_listed_as_it_was_given(tmp_path: Path) -> None:
    names = sorted(name for name in NASTY if name not in {".", "..", "../up", "a/./b"})  # clients take those for paths
    with s3_world(tmp_path) as world:
        client = box(world)
        for name in names:
            client.put_object(Bucket="box", Key=name, Body=name.encode())
        for name in names:
            assert name.encode() == client.get_object(Bucket="box", Key=name)["Body"].read(), name
        for verb in ("list_objects", "list_objects_v2"):
            pages = client.get_paginator(verb).paginate(Bucket="box", PaginationConfig={"PageSize": 5})
            assert names == [one["Key"] for page in pages for one in page["Contents"]]
        for token in ("garbage", "MQ", "!", "1" * 3000):
            assert "InvalidArgument" == refused(client.list_objects_v2, Bucket="box", ContinuationToken=token), token


def test_parts_of_listings(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        for name in NAMES:
            client.put_object(Bucket="box", Key=name, Body=b"")
        said = client.list_objects_v2(Bucket="box", Prefix="a/", Delimiter="/", FetchOwner=True)
        assert (["a/1", "a/2"], ["a/b/"], 3) == (
            [one["Key"] for one in said["Contents"]], [one["Prefix"] for one in said["CommonPrefixes"]], said["KeyCount"],
        )  # fmt: skip
        assert "p1" == said["Contents"][0]["Owner"]["ID"]
        assert ["c/", "c/1", "d\n\x01&<"] == [
            one["Key"] for one in client.list_objects_v2(Bucket="box", StartAfter="b\u00e4")["Contents"]
        ]
        assert "Contents" not in client.list_objects_v2(Bucket="box", MaxKeys=0)
        for token in ("!", "x", "eA=="):
            assert "InvalidArgument" == refused(client.list_objects_v2, Bucket="box", ContinuationToken=token)
        url = client.generate_presigned_url("list_objects", Params={"Bucket": "box"}).replace("&encoding-type=url", "")
        assert 400 == world.ask("GET", url + "&max-keys=-1")[0]


def test_every_version_is_kept(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        key = {"Bucket": "box", "Key": "o"}
        assert "Status" not in client.get_bucket_versioning(Bucket="box")
        three_versions(client)
        assert b"123456" == client.get_object(**key)["Body"].read()
        gone = client.delete_object(**key)
        assert gone["DeleteMarker"]
        with pytest.raises(ClientError) as wrong:
            client.get_object(**key)
        assert "true" == wrong.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"]
        assert "MethodNotAllowed" == refused(client.get_object, **key, VersionId=gone["VersionId"])
        assert "NoSuchVersion" == refused(client.get_object, **key, VersionId="1000000000.00000")
        assert "InvalidArgument" == refused(client.get_object, **key, VersionId="nonsense")


def three_versions(client: Any) -> tuple[list[str], Any]:
    """Two versions by PUT and one in parts; what the last upload said."""
    key = {"Bucket": "box", "Key": "o"}
    client.put_bucket_versioning(Bucket="box", VersioningConfiguration={"Status": "Enabled"})
    ids = [client.put_object(**key, Body=body)["VersionId"] for body in (b"1", b"22")]
    upload = begun(client, "o")
    parts = sent(client, upload, [b"12345", b"6"])
    done = client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    return [*ids, done["VersionId"]], done


def test_versions_are_listed_and_brought_back(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        key = {"Bucket": "box", "Key": "o"}
        ids, done = three_versions(client)
        gone = client.delete_object(**key)
        listed = client.list_object_versions(Bucket="box")
        assert list(reversed(ids)) == [one["VersionId"] for one in listed["Versions"]]
        assert [6, 2, 1] == [one["Size"] for one in listed["Versions"]]
        assert done["ETag"] == listed["Versions"][0]["ETag"]
        assert [(gone["VersionId"], True)] == [(one["VersionId"], one["IsLatest"]) for one in listed["DeleteMarkers"]]
        page: dict[str, str] = {}
        found = []
        while True:
            said = client.list_object_versions(Bucket="box", MaxKeys=1, **page)
            found += [one["VersionId"] for one in (*said.get("Versions", []), *said.get("DeleteMarkers", []))]
            if not said["IsTruncated"]:
                break
            page = {"KeyMarker": said["NextKeyMarker"], "VersionIdMarker": said["NextVersionIdMarker"]}
        assert [gone["VersionId"], *reversed(ids)] == found
        client.delete_object(**key, VersionId=gone["VersionId"])
        assert (done["VersionId"], done["ETag"]) == ((now := client.head_object(**key))["VersionId"], now["ETag"])
        (entry,) = client.list_objects_v2(Bucket="box")["Contents"]
        assert (done["ETag"], 6) == (entry["ETag"], entry["Size"])
        assert "BucketNotEmpty" == refused(client.delete_bucket, Bucket="box")
        client.delete_object(**key, VersionId=done["VersionId"])
        assert [] == world.run(world.service.listing("box+segments"))
        assert b"22" == client.get_object(**key)["Body"].read()


def test_versions_are_described_and_suspended(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        key = {"Bucket": "box", "Key": "o"}
        client.put_bucket_versioning(Bucket="box", VersioningConfiguration={"Status": "Enabled"})
        ids = [
            client.put_object(**key, Body=body, Metadata={"n": str(n)})["VersionId"]
            for n, body in enumerate((b"1", b"22"))
        ]
        copied = client.copy_object(Bucket="box", Key="c", CopySource={**key, "VersionId": ids[0]})
        assert ids[0] == copied["CopySourceVersionId"]
        client.put_object_tagging(**key, VersionId=ids[0], Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
        assert [{"Key": "a", "Value": "b"}] == client.get_object_tagging(**key, VersionId=ids[0])["TagSet"]
        assert {"n": "0"} == client.head_object(**key, VersionId=ids[0])["Metadata"]
        client.put_bucket_versioning(Bucket="box", VersioningConfiguration={"Status": "Suspended"})
        assert "null" == client.put_object(**key, Body=b"null")["VersionId"]
        assert "null" == client.head_object(**key)["VersionId"]


def test_access_lists_mean_the_same_in_both_apis(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        client.put_object(Bucket="box", Key="o", Body=b"bytes")
        url = f"http://{HOST}/s3/p1:box/o"
        assert 403 == world.ask("GET", url)[0]
        client.put_bucket_acl(Bucket="box", ACL="public-read")
        assert (200, b"bytes") == world.ask("GET", url)[::2]
        assert 403 == world.ask("PUT", url, b"x")[0]
        assert ".r:*,.rlistings" == world.run(world.service.ask("HEAD", "box")).headers["x-container-read"]
        upload = begun(client, "big")
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": sent(client, upload, [b"12345", b"6"])})
        assert (200, b"123456") == world.ask("GET", f"http://{HOST}/s3/p1:box/big")[::2]
        client.put_bucket_acl(Bucket="box", GrantRead="id=p2", GrantWrite="id=p2:b")
        bob = {"x-auth-token": "bob"}
        grants = [(one["Grantee"]["ID"], one["Permission"]) for one in client.get_bucket_acl(Bucket="box")["Grants"]]
        assert [("p1", "FULL_CONTROL"), ("p2", "READ"), ("p2:b", "WRITE")] == grants
        assert 200 == world.run(world.service.ask("GET", "box/o", headers=bob)).status
        assert 201 == world.run(world.service.ask("PUT", "box/p", b"", headers=bob)).status
        other = world.client("bob")
        got = other.generate_presigned_url("get_object", Params={"Bucket": "box", "Key": "o"})
        assert 404 == world.ask("GET", got)[0]  # his own project has no such bucket
        assert 403 == world.ask("GET", url)[0]
        policy = client.get_bucket_acl(Bucket="box")
        client.put_bucket_acl(
            Bucket="box", AccessControlPolicy={"Owner": policy["Owner"], "Grants": policy["Grants"][:2]}
        )
        assert 2 == len(client.get_bucket_acl(Bucket="box")["Grants"])
        assert ["p1", "p2"] == [one["Grantee"]["ID"] for one in client.get_object_acl(Bucket="box", Key="o")["Grants"]]
        client.put_object_acl(Bucket="box", Key="o", ACL="private")
        assert "AccessControlListNotSupported" == refused(
            client.put_object_acl, Bucket="box", Key="o", ACL="public-read"
        )
        assert "NotImplemented" == refused(client.put_bucket_acl, Bucket="box", ACL="public-read-write")


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Resource": "arn:aws:s3:::box/*", **one} for one in statements]}
    )


def test_policies_allow_and_deny(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        for key in ("public/o", "secret/o"):
            client.put_object(Bucket="box", Key=key, Body=b"bytes")
        assert "NoSuchBucketPolicy" == refused(client.get_bucket_policy, Bucket="box")
        text = policy(
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/public/*"},
            {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::p1:user/alice"}, "Action": ["s3:Get*"], "Resource": ["arn:aws:s3:::box/secret/*"]},
            {"Effect": "Deny", "NotPrincipal": {"AWS": "p1"}, "Action": "s3:*", "Condition": {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}},
        )  # fmt: skip
        client.put_bucket_policy(Bucket="box", Policy=text)
        assert text == client.get_bucket_policy(Bucket="box")["Policy"]
        assert client.get_bucket_policy_status(Bucket="box")["PolicyStatus"]["IsPublic"]
        assert 200 == world.ask("GET", f"http://{HOST}/s3/p1:box/public/o")[0]
        assert 403 == world.ask("PUT", f"http://{HOST}/s3/p1:box/public/o", b"x")[0]
        assert 403 == world.ask("GET", f"http://{HOST}/s3/p1:box/secret/o")[0]
        assert "AccessDenied" == refused(client.get_object, Bucket="box", Key="secret/o")
        assert "AccessDenied" == refused(client.copy_object, Bucket="box", Key="c", CopySource="box/secret/o")
        said = client.delete_objects(Bucket="box", Delete={"Objects": [{"Key": "secret/o"}]})
        assert ["secret/o"] == [one["Key"] for one in said["Deleted"]]
        client.put_bucket_policy(
            Bucket="box",
            Policy=policy(
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": ["arn:aws:s3:::box", "arn:aws:s3:::box/*"],
                }
            ),
        )
        assert "AccessDenied" == refused(client.list_objects_v2, Bucket="box")
        client.delete_bucket_policy(Bucket="box")
        assert b"bytes" == client.get_object(Bucket="box", Key="public/o")["Body"].read()


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", "{}", policy({"Effect": "Maybe", "Principal": "*", "Action": "s3:*"}),
        policy({"Effect": "Allow", "Principal": {"Federated": "x"}, "Action": "s3:*"}),
        policy({"Effect": "Allow", "Principal": "*", "Action": "ec2:*"}), policy({"Effect": "Allow", "Action": "s3:*"}),
        policy({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::other/*"}),
        policy({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Condition": {"DateGreaterThan": {"aws:CurrentTime": "x"}}}),
        policy({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Condition": {"StringEquals": {"aws:Unknown": "x"}}}),
        policy({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Condition": {"IpAddress": {"aws:SourceIp": "x"}}}),
        "[" * 10_000,
    ],
)  # fmt: skip
def test_policies_that_are_not_understood_are_refused_whole(tmp_path: Path, text: str) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        assert "MalformedPolicy" == refused(client.put_bucket_policy, Bucket="box", Policy=text)
        assert "NoSuchBucketPolicy" == refused(client.get_bucket_policy, Bucket="box")


def test_pages_of_other_sites(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        assert "NoSuchCORSConfiguration" == refused(client.get_bucket_cors, Bucket="box")
        rules = [
            {"AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["x-amz-*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60},
            {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]},
        ]  # fmt: skip
        client.put_bucket_cors(Bucket="box", CORSConfiguration={"CORSRules": rules})
        assert rules == client.get_bucket_cors(Bucket="box")["CORSRules"]
        client.put_object(Bucket="box", Key="o", Body=b"x")
        get, put = (
            client.generate_presigned_url(f"{verb}_object", Params={"Bucket": "box", "Key": "o"})
            for verb in ("get", "put")
        )
        headers = world.ask("GET", get, b"", {"origin": "https://a.example.com"})[1]
        assert ("https://a.example.com", "ETag") == (
            headers["Access-Control-Allow-Origin"],
            headers["Access-Control-Expose-Headers"],
        )
        assert "*" == world.ask("GET", get, b"", {"origin": "https://other.org"})[1]["Access-Control-Allow-Origin"]
        assert "Access-Control-Allow-Origin" not in world.ask("GET", get)[1]
        asked = {
            "origin": "https://a.example.com",
            "access-control-request-method": "PUT",
            "access-control-request-headers": "x-amz-date",
        }
        status, headers, _ = world.ask("OPTIONS", put, b"", asked)
        assert (200, "60", "x-amz-date") == (
            status,
            headers["Access-Control-Max-Age"],
            headers["Access-Control-Allow-Headers"],
        )
        assert 200 == world.ask("OPTIONS", f"http://{HOST}/s3/p1:box/o", b"", asked)[0]
        assert (
            403 == world.ask("OPTIONS", f"http://{HOST}/s3/p1:box/o", b"", {**asked, "origin": "https://other.org"})[0]
        )
        assert 403 == world.ask("OPTIONS", f"http://{HOST}/s3/box/o", b"", asked)[0]
        client.delete_bucket_cors(Bucket="box")
        assert "NoSuchCORSConfiguration" == refused(client.get_bucket_cors, Bucket="box")


def test_what_else_buckets_say(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        tags = [{"Key": f"k{n}", "Value": "v" * 200} for n in range(50)]
        assert "NoSuchTagSet" == refused(client.get_bucket_tagging, Bucket="box")
        client.put_bucket_tagging(Bucket="box", Tagging={"TagSet": tags})
        assert tags == client.get_bucket_tagging(Bucket="box")["TagSet"]
        client.delete_bucket_tagging(Bucket="box")
        assert "NoSuchTagSet" == refused(client.get_bucket_tagging, Bucket="box")
        assert "LoggingEnabled" not in client.get_bucket_logging(Bucket="box")
        assert "BucketOwner" == client.get_bucket_request_payment(Bucket="box")["Payer"]
        assert "ServerSideEncryptionConfigurationNotFoundError" == refused(client.get_bucket_encryption, Bucket="box")
        assert "NoSuchWebsiteConfiguration" == refused(client.get_bucket_website, Bucket="box")
        assert "NoSuchPublicAccessBlockConfiguration" == refused(client.get_public_access_block, Bucket="box")


def ended(world: S3World) -> None:
    world.run(Lifecycle(world.service.app).run())


def keys(client: Any) -> list[str]:
    return [one["Key"] for one in client.list_objects_v2(Bucket="box").get("Contents", [])]


def test_objects_end_when_rules_say(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        assert "NoSuchLifecycleConfiguration" == refused(client.get_bucket_lifecycle_configuration, Bucket="box")
        rules = [
            {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}},
            {"ID": "tags", "Status": "Enabled", "Filter": {"And": {"Prefix": "t/", "Tags": [{"Key": "a", "Value": "b"}]}}, "Expiration": {"Days": 1}},
            {"ID": "size", "Status": "Enabled", "Filter": {"ObjectSizeGreaterThan": 3}, "Expiration": {"Days": 1}},
            {"ID": "off", "Status": "Disabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}},
            {"ID": "parts", "Status": "Enabled", "Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}},
        ]  # fmt: skip
        client.put_bucket_lifecycle_configuration(Bucket="box", LifecycleConfiguration={"Rules": rules})
        assert rules == client.get_bucket_lifecycle_configuration(Bucket="box")["Rules"]
        for key, body, tags in (
            ("logs/1", b"", ""),
            ("t/1", b"", "a=b"),
            ("t/2", b"", "a=c"),
            ("big", b"1234", ""),
            ("small", b"123", ""),
        ):
            client.put_object(Bucket="box", Key=key, Body=body, Tagging=tags)
        upload = begun(client, "upload")
        sent(client, upload, [b"12345"])
        ended(world)
        assert ["big", "logs/1", "small", "t/1", "t/2"] == keys(client)
        world.service.clock.move(2 * 86_400)
        ended(world)
        world.service.clock.move(2 * 86_400)
        assert ["logs/1", "small", "t/2"] == world.run(world.service.listing("box"))
        ended(world)
        assert ["small", "t/2"] == world.run(world.service.listing("box"))
        assert [] == world.run(world.service.listing("box+segments"))


def test_rules_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        put = client.put_bucket_lifecycle_configuration
        rule = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}}
        for wrong in ({"Days": 0}, {"Date": dt.datetime(2030, 1, 1, 1, tzinfo=dt.UTC)}):
            rules = [{**rule, "Expiration": wrong}]
            assert "InvalidArgument" == refused(put, Bucket="box", LifecycleConfiguration={"Rules": rules})
        moving = {**rule, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
        assert "NotImplemented" == refused(put, Bucket="box", LifecycleConfiguration={"Rules": [moving]})
        good = {**rule, "Expiration": {"Days": 1}}
        assert "InvalidArgument" == refused(put, Bucket="box", LifecycleConfiguration={"Rules": [good, good]})
        put(Bucket="box", LifecycleConfiguration={"Rules": [good]})
        client.delete_bucket_lifecycle(Bucket="box")
        ended(world)
        assert "NoSuchLifecycleConfiguration" == refused(client.get_bucket_lifecycle_configuration, Bucket="box")


def test_versions_end_when_rules_say(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        client.put_bucket_versioning(Bucket="box", VersioningConfiguration={"Status": "Enabled"})
        rules = [
            {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 5}, "NoncurrentVersionExpiration": {"NoncurrentDays": 2, "NewerNoncurrentVersions": 1}},
            {"ID": "b", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
        ]  # fmt: skip
        client.put_bucket_lifecycle_configuration(Bucket="box", LifecycleConfiguration={"Rules": rules})
        for body in (b"1", b"2", b"3"):
            client.put_object(Bucket="box", Key="o", Body=body)
        client.put_object(Bucket="box", Key="gone", Body=b"")
        made = client.list_object_versions(Bucket="box", Prefix="gone")["Versions"][0]["VersionId"]
        client.delete_object(Bucket="box", Key="gone")
        client.delete_object(Bucket="box", Key="gone", VersionId=made)
        world.service.clock.move(3 * 86_400)
        ended(world)
        world.service.clock.move(-3 * 86_400)
        said = client.list_object_versions(Bucket="box")
        assert [1, 1] == [one["Size"] for one in said["Versions"]]
        assert b"3" == client.get_object(Bucket="box", Key="o")["Body"].read()
        assert "DeleteMarkers" not in said
        world.service.clock.move(6 * 86_400)
        ended(world)
        world.service.clock.move(-6 * 86_400)
        said = client.list_object_versions(Bucket="box")
        assert ["o"] == [one["Key"] for one in said["DeleteMarkers"]]


def test_what_is_locked_stays(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = world.client()
        client.create_bucket(Bucket="box", ObjectLockEnabledForBucket=True)
        key = {"Bucket": "box", "Key": "o"}
        day = {"Mode": "GOVERNANCE", "Days": 1}
        configured = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": day}}
        client.put_object_lock_configuration(Bucket="box", ObjectLockConfiguration=configured)
        assert configured == client.get_object_lock_configuration(Bucket="box")["ObjectLockConfiguration"]
        assert "InvalidBucketState" == refused(
            client.put_bucket_versioning, Bucket="box", VersioningConfiguration={"Status": "Suspended"}
        )
        id = client.put_object(**key, Body=b"x")["VersionId"]
        assert "GOVERNANCE" == client.head_object(**key)["ObjectLockMode"]
        client.delete_object(**key)
        assert "AccessDenied" == refused(client.delete_object, **key, VersionId=id)
        swift = world.run(world.service.ask("DELETE", "box/o", query=f"version-id={id}"))
        assert 403 == swift.status
        assert (
            202
            == world.run(
                world.service.ask("POST", "box/o", query=f"version-id={id}", headers={"x-object-meta-a": "b"})
            ).status
        )
        until = (world.service.clock.now() + dt.timedelta(days=9)).replace(microsecond=0)
        client.put_object_retention(**key, VersionId=id, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
        assert until == client.get_object_retention(**key, VersionId=id)["Retention"]["RetainUntilDate"]
        sooner = {"Mode": "GOVERNANCE", "RetainUntilDate": until - dt.timedelta(days=1)}
        assert "AccessDenied" == refused(client.put_object_retention, **key, VersionId=id, Retention=sooner)
        client.put_object_retention(**key, VersionId=id, Retention=sooner, BypassGovernanceRetention=True)
        client.delete_object(**key, VersionId=id, BypassGovernanceRetention=True)


def test_compliance_and_holds_yield_to_nobody(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = world.client()
        client.create_bucket(Bucket="box", ObjectLockEnabledForBucket=True)
        key = {"Bucket": "box", "Key": "o"}
        until = (world.service.clock.now() + dt.timedelta(days=9)).replace(microsecond=0)
        strict = client.put_object(**key, Body=b"y", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)[
            "VersionId"
        ]
        assert "AccessDenied" == refused(client.delete_object, **key, VersionId=strict, BypassGovernanceRetention=True)
        held = client.put_object(**{**key, "Key": "held"}, Body=b"z")["VersionId"]
        about = {"Bucket": "box", "Key": "held", "VersionId": held}
        client.put_object_legal_hold(**about, LegalHold={"Status": "ON"})
        assert "AccessDenied" == refused(client.delete_object, **about, BypassGovernanceRetention=True)
        client.put_object_legal_hold(**about, LegalHold={"Status": "OFF"})
        assert "OFF" == client.get_object_legal_hold(**about)["LegalHold"]["Status"]
        client.delete_object(**about, BypassGovernanceRetention=True)
        upload = begun(client, "big")
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": sent(client, upload, [b"12345", b"6"])})
        part = world.run(world.service.listing("box+segments"))[0]
        for method in ("DELETE", "PUT", "POST"):
            assert 403 == world.run(world.service.ask(method, f"box+segments/{part}")).status
        assert b"123456" == client.get_object(Bucket="box", Key="big")["Body"].read()
        world.service.clock.move(10 * 86_400)
        assert 204 == world.run(world.service.ask("DELETE", "box/o", query=f"version-id={strict}")).status


def test_locks_need_a_bucket_that_locks(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        client.put_object(Bucket="box", Key="o", Body=b"")
        assert "ObjectLockConfigurationNotFoundError" == refused(client.get_object_lock_configuration, Bucket="box")
        assert "InvalidRequest" == refused(client.get_object_retention, Bucket="box", Key="o")
        assert "InvalidBucketState" == refused(
            client.put_object_lock_configuration, Bucket="box", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        )
        later = world.service.clock.now() + dt.timedelta(days=1)
        assert "InvalidRequest" == refused(
            client.put_object,
            Bucket="box",
            Key="p",
            Body=b"",
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=later,
        )


def form(fields: dict[str, str], content: bytes, name: str = "photo.png") -> tuple[bytes, dict[str, str]]:
    mark = "----mark"
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()
    ]
    file = (
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'
    )
    body = "".join([*parts, file]).encode() + content + f"\r\n--{mark}--\r\n".encode()
    return body, {"content-type": f"multipart/form-data; boundary={mark}"}


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_forms_of_browsers(tmp_path: Path, version: str) -> None:
    with s3_world(tmp_path) as world:
        client = box(world, signature_version=version)
        conditions: list[Any] = [
            ["starts-with", "$key", "up/"], ["content-length-range", 2, 10], ["starts-with", "$x-amz-meta-a", ""],
            {"success_action_status": "201"},
        ]  # fmt: skip
        made = client.generate_presigned_post(
            "box", "up/${filename}", Fields={"success_action_status": "201"}, Conditions=conditions, ExpiresIn=60
        )
        fields = {**made["fields"], "x-amz-meta-a": "b"}
        status, headers, body = world.ask("POST", made["url"], *form(fields, b"content"))
        assert (201, True) == (status, b"<Key>up/photo.png</Key>" in body), body
        got = client.get_object(Bucket="box", Key="up/photo.png")
        assert (b"content", {"a": "b"}, "image/png") == (got["Body"].read(), got["Metadata"], got["ContentType"])
        assert quote("up/photo.png") in headers["Location"]
        for wrong, content, why in (
            ({"key": "elsewhere"}, b"content", b"AccessDenied"), ({}, b"x", b"EntityTooSmall"), ({}, b"x" * 11, b"EntityTooLarge"),
            ({"cache-control": "no"}, b"content", b"AccessDenied"), ({"policy": made["fields"]["policy"][:-4]}, b"content", b"SignatureDoesNotMatch"),
        ):  # fmt: skip
            status, _, body = world.ask("POST", made["url"], *form({**fields, **wrong}, content, "other"))
            assert (status in {400, 403}, True) == (True, why in body), body
        world.service.clock.move(61)
        status, _, body = world.ask("POST", made["url"], *form(fields, b"content", "other"))
        assert (403, True) == (status, b"Policy expired" in body)
        assert ["up/photo.png"] == world.run(world.service.listing("box"))

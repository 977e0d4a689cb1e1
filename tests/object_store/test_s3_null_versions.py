"""The version that S3 calls `null`: what was there before a bucket kept versions, or while it kept none."""

import os
from pathlib import Path
from typing import Any

from tests.object_store.s3_world import s3_world
from tests.object_store.test_s3_objects import box, refused
from tests.object_store.test_s3_uploads import begun, sent

KEY = {"Bucket": "box", "Key": "k"}


def keeping(client: Any, status: str) -> None:
    client.put_bucket_versioning(Bucket="box", VersioningConfiguration={"Status": status})


def listed(client: Any) -> list[tuple[str, bool, bool]]:
    """The versions of the object, newest first: id, whether it is the newest, whether it is a marker."""
    said = client.list_object_versions(Bucket="box")
    found = [(one, kind == "DeleteMarkers") for kind in ("Versions", "DeleteMarkers") for one in said.get(kind, ())]
    found.sort(key=lambda one: one[0]["LastModified"], reverse=True)
    return [(one["VersionId"], one["IsLatest"], marker) for one, marker in found]


def test_what_was_there_before_stays_the_null_version(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        client.put_object(**KEY, Body=b"before")
        keeping(client, "Enabled")
        assert b"before" == client.get_object(**KEY, VersionId="null")["Body"].read()
        world.service.clock.move(1)
        first = client.put_object(**KEY, Body=b"first")["VersionId"]
        assert [(first, True, False), ("null", False, False)] == listed(client)
        got = client.get_object(**KEY, VersionId="null")
        assert (b"before", "null") == (got["Body"].read(), got["VersionId"])
        copied = client.copy_object(Bucket="box", Key="copy", CopySource={**KEY, "VersionId": "null"})
        assert "null" == copied["CopySourceVersionId"]
        client.delete_object(Bucket="box", Key="copy", VersionId=copied["VersionId"])
        client.put_object_tagging(**KEY, VersionId="null", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
        assert 1 == len(client.get_object_tagging(**KEY, VersionId="null")["TagSet"])
        client.delete_object(**KEY, VersionId=first)
        back = client.get_object(**KEY)
        assert (b"before", "null") == (back["Body"].read(), back["VersionId"])
        assert [("null", True, False)] == listed(client)
        assert "null" == client.delete_object(**KEY, VersionId="null")["VersionId"]
        assert [] == listed(client)
        assert "NoSuchKey" == refused(client.get_object, **KEY)


def test_while_versions_are_suspended_there_is_one_null_version(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        keeping(client, "Enabled")
        first = client.put_object(**KEY, Body=b"first")["VersionId"]
        keeping(client, "Suspended")
        for body in (b"one", b"two"):
            world.service.clock.move(1)
            assert "null" == client.put_object(**KEY, Body=body)["VersionId"]
        assert [("null", True, False), (first, False, False)] == listed(client)
        keeping(client, "Enabled")
        world.service.clock.move(1)
        second = client.put_object(**KEY, Body=b"second")["VersionId"]
        assert [(second, True, False), ("null", False, False), (first, False, False)] == listed(client)
        keeping(client, "Suspended")
        world.service.clock.move(1)
        client.put_object(**KEY, Body=b"three")
        assert [("null", True, False), (second, False, False), (first, False, False)] == listed(client)
        assert b"three" == client.get_object(**KEY, VersionId="null")["Body"].read()
        assert b"second" == client.get_object(**KEY, VersionId=second)["Body"].read()


def test_a_delete_while_suspended_leaves_a_null_marker(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        keeping(client, "Enabled")
        first = client.put_object(**KEY, Body=b"first")["VersionId"]
        keeping(client, "Suspended")
        for _ in range(2):  # one takes the place of the other
            world.service.clock.move(1)
            gone = client.delete_object(**KEY)
            assert (True, "null") == (gone["DeleteMarker"], gone["VersionId"])
            assert [("null", True, True), (first, False, False)] == listed(client)
        assert "NoSuchKey" == refused(client.get_object, **KEY)
        assert "MethodNotAllowed" == refused(client.get_object, **KEY, VersionId="null")
        world.service.clock.move(1)
        client.put_object(**KEY, Body=b"null")
        assert [("null", True, False), (first, False, False)] == listed(client)
        client.delete_object(**KEY)
        assert True is client.delete_object(**KEY, VersionId="null")["DeleteMarker"]
        assert b"first" == client.get_object(**KEY)["Body"].read()
        assert [(first, True, False)] == listed(client)


def test_parts_of_a_version_that_stays_stay(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        keeping(client, "Enabled")
        contents = [os.urandom(1000), b"end"]
        upload = begun(client, "k")
        parts = sent(client, upload, contents)
        kept = client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})["VersionId"]
        keeping(client, "Suspended")
        world.service.clock.move(1)
        client.put_object(**KEY, Body=b"null")
        assert b"".join(contents) == client.get_object(**KEY, VersionId=kept)["Body"].read()
        client.delete_object(**KEY)
        assert b"".join(contents) == client.get_object(**KEY, VersionId=kept)["Body"].read()
        client.delete_object(**KEY, VersionId="null")
        client.delete_object(**KEY)
        assert b"".join(contents) == client.get_object(**KEY, VersionId=kept)["Body"].read()
        client.delete_object(**KEY, VersionId=kept)
        assert [] == world.run(world.service.listing("box+segments"))


def test_versions_are_listed_in_pages(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = box(world)
        client.put_object(**KEY, Body=b"null")
        keeping(client, "Enabled")
        for at in range(7):
            client.put_object(Bucket="box", Key=f"k{at % 2 or ''}", Body=bytes([at]))
        whole = client.list_object_versions(Bucket="box")["Versions"]
        pages = client.get_paginator("list_object_versions").paginate(Bucket="box", PaginationConfig={"PageSize": 2})
        found = [(one["Key"], one["VersionId"]) for page in pages for one in page["Versions"]]
        assert [(one["Key"], one["VersionId"]) for one in whole] == found
        assert (8, ("k", "null")) == (len(found), found[4])

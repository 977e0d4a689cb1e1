"""Killed while an upload of S3 is completed: the object is the old one or the whole new one, and completing it again ends well."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.object_store.s3_dying import completed
from tests.object_store.s3_world import S3World

ROOT = Path(__file__).resolve().parents[2]
OLD, PARTS = b"old", (b"first part" * 1000, b"second part" * 2000, b"the end")
NEW = b"".join(PARTS)
# The first file is the manifest, the second the tombstone of the upload's marker; listings are told of both.
PLACES = (
    "object.keep@before fsync", "object.keep@before rename", "object.keep@after rename", "object.tell@before",
    "ledger.commit@before", "ledger.commit@after", "object.keep@before fsync#2", "object.keep@after rename#2",
    "object.tell@before#2", "ledger.commit@after#2",
)  # fmt: skip


def begun(client: Any, key: str) -> tuple[str, list[str]]:
    """An upload whose parts are all there, of an object that exists, and their tags."""
    client.put_object(Bucket="bucket", Key=key, Body=OLD)
    upload = client.create_multipart_upload(Bucket="bucket", Key=key)["UploadId"]
    tags = [
        client.upload_part(Bucket="bucket", Key=key, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        for number, body in enumerate(PARTS, 1)
    ]
    return upload, tags


def dies(folder: Path, place: str, key: str, upload: str, tags: list[str]) -> None:
    """The request was killed there, and nothing acknowledged."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PILEUS_FAULT": f"{place}:kill"}
    argv = [sys.executable, "-m", "tests.object_store.s3_dying", str(folder), key, upload, *tags]
    done = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (-9, "") == (done.returncode, done.stdout), (place, done)


def got(client: Any, key: str) -> bytes:
    body: bytes = client.get_object(Bucket="bucket", Key=key)["Body"].read()
    return body


@pytest.mark.scale
def test_killed_while_an_upload_is_completed(tmp_path: Path) -> None:
    world = S3World(tmp_path)
    client = world.client()
    client.create_bucket(Bucket="bucket")
    uploads = {f"key{number}": begun(client, f"key{number}") for number in range(len(PLACES))}
    world.close()

    for (key, (upload, tags)), place in zip(uploads.items(), PLACES, strict=True):
        dies(tmp_path, place, key, upload, tags)

    world = S3World(tmp_path)
    client = world.client()
    try:
        seen = {key: got(client, key) for key in uploads}
        assert set(seen.values()) == {OLD, NEW}
        etags = {completed(client, key, upload, tags)["ETag"] for key, (upload, tags) in uploads.items()}
        assert 1 == len(etags)
        for key in uploads:
            assert NEW == got(client, key)
        world.service.clock.move(300)
        for worker in (world.service.app.workers.updater, world.service.app.workers.auditor):
            world.run(worker.run())  # what a listing had not heard of when the process died it hears now
        listed = client.list_objects_v2(Bucket="bucket")["Contents"]
        assert [(key, len(NEW)) for key in sorted(uploads)] == [(one["Key"], one["Size"]) for one in listed]
        assert etags == {one["ETag"] for one in listed}
        assert "Uploads" not in client.list_multipart_uploads(Bucket="bucket")
        for key in uploads:
            client.delete_object(Bucket="bucket", Key=key)
        assert "Contents" not in client.list_objects_v2(Bucket="bucket")
        assert [] == world.run(world.service.listing("bucket+segments"))  # no part is left behind
        client.delete_bucket(Bucket="bucket")
    finally:
        world.close()

"""Encryption at rest: clients notice nothing, and what lies on the disks says nothing."""

import json
import os
import stat
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.object_store.s3_world import S3World, s3_world
from tests.object_store.test_s3_objects import refused
from tests.object_store.world import Service, run

from pileus.kit.clock import FakeClock
from pileus.object_store.disk.secrets import NoSuchSecret, RootSecrets
from pileus.object_store.models.ciphers import BytesKey, NotOpened, Seals, Secret
from pileus.object_store.models.paths import Path as Name

SMALL = b"the bytes that nobody may read " * 3
LARGE = b"many of the bytes that nobody may read " * 60_000  # two chunks and a bit
META = "what was said that nobody may read"


def on_disk(folder: Path) -> bytes:
    """Everything the devices hold: files, and what is noted beside them."""
    found = []
    for one in sorted(folder.glob("**/*")):
        if one.is_file():
            found.append(one.read_bytes())
            found += [os.getxattr(one, name) for name in os.listxattr(one)]
    return b"\n".join(found)


def tell_tales(*bodies: bytes) -> list[bytes]:
    """What would tell what is in an object: some of its bytes, what was said of it, its sum."""
    return [b"nobody may read", *(md5(body).hexdigest().encode() for body in bodies)]


def cluster(folder: Path, *, encryption: bool = True) -> dict[str, Any]:
    devices = tuple(str(folder / "disks" / str(at)) for at in range(6))
    return {
        "devices": devices, "policies": ("whole", "coded 4+2"), "part_power": 2, "encryption": encryption,
    }  # fmt: skip


@pytest.mark.parametrize("encryption", [True, False])
def test_disks_say_nothing_of_what_is_in_objects(tmp_path: Path, *, encryption: bool) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/small", SMALL, x_object_meta_said=META)
        await service.put("c/large", LARGE)
        await service.put("coded", b"", x_storage_policy="coded")
        await service.put("coded/o", SMALL, x_object_meta_said=META)
        assert 202 == (await service.ask("POST", "c/large", headers={"x-object-meta-said": META})).status
        await service.put("c/copy", b"", x_copy_from="c/small")
        await service.put("versions", b"")
        await service.ask("POST", "versions", headers={"x-versions-enabled": "true"})
        first = (await service.put("versions/o", SMALL)).headers["x-object-version-id"]
        await service.put("versions/o", LARGE)
        for name, body in {"c/small": SMALL, "c/large": LARGE, "c/copy": SMALL, "coded/o": SMALL}.items():
            got = await service.ask("GET", name)
            assert (200, body, META) == (got.status, got.body, got.headers["x-object-meta-said"])
        assert SMALL == (await service.ask("GET", "versions/o", query=f"version-id={first}")).body
        raw = on_disk(tmp_path / "disks")
        assert len(raw) > 6 * len(LARGE)  # two large ones in three copies
        found = [tale for tale in tell_tales(SMALL, LARGE) if tale in raw]
        assert ([] if encryption else tell_tales(SMALL, LARGE)) == found

    run(tmp_path, story, **cluster(tmp_path, encryption=encryption))


def test_disks_say_nothing_of_what_came_over_s3(tmp_path: Path) -> None:
    with s3_world(tmp_path, **cluster(tmp_path)) as world:
        client = world.client()
        client.create_bucket(Bucket="box")
        client.put_object(
            Bucket="box", Key="one", Body=SMALL, Metadata={"said": META}, Tagging=f"said={META}",
            ChecksumAlgorithm="SHA256",
        )  # fmt: skip
        told = {"Bucket": "box", "Key": "big"}
        upload = {**told, "UploadId": client.create_multipart_upload(**told, Metadata={"said": META})["UploadId"]}
        parts = [
            {"PartNumber": number, "ETag": client.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
            for number, body in ((1, LARGE), (2, SMALL))
        ]
        done = client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        got = client.get_object(**told, Range=f"bytes={len(LARGE) - 7}-{len(LARGE) + 6}")
        assert (LARGE[-7:] + SMALL[:7], {"said": META}) == (got["Body"].read(), got["Metadata"])
        listed = {one["Key"]: one["ETag"] for one in client.list_objects_v2(Bucket="box")["Contents"]}
        assert {"big": done["ETag"], "one": f'"{md5(SMALL).hexdigest()}"'} == listed
        assert [{"Key": "said", "Value": META}] == client.get_object_tagging(Bucket="box", Key="one")["TagSet"]
        raw = on_disk(tmp_path / "disks")
        tales = [*tell_tales(LARGE, SMALL), done["ETag"].strip('"').partition("-")[0].encode(), sums(world)]
        assert [] == [tale for tale in tales if tale in raw]


def test_s3_is_told_that_objects_are_encrypted(tmp_path: Path) -> None:
    key = {"Bucket": "box", "Key": "o"}
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    with s3_world(tmp_path, encryption=True) as world:
        client = world.client()
        client.create_bucket(Bucket="box")
        assert "AES256" == client.put_object(**key, Body=SMALL, ServerSideEncryption="AES256")["ServerSideEncryption"]
        assert "AES256" == client.head_object(**key)["ServerSideEncryption"]
        copied = client.copy_object(Bucket="box", Key="copy", CopySource=key, ServerSideEncryption="AES256")
        assert "AES256" == copied["ServerSideEncryption"]
        client.put_bucket_encryption(Bucket="box", ServerSideEncryptionConfiguration={"Rules": [rule]})
        told = client.get_bucket_encryption(Bucket="box")["ServerSideEncryptionConfiguration"]["Rules"][0]
        assert rule.items() <= told.items()
        other = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
        for refusing, about in (
            (client.put_object, {**key, "Body": b"", "ServerSideEncryption": "aws:kms"}),
            (client.put_object, {**key, "Body": b"", "SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}),
            (client.put_bucket_encryption, {"Bucket": "box", "ServerSideEncryptionConfiguration": {"Rules": [other]}}),
        ):
            assert "NotImplemented" == refused(refusing, **about)
        assert SMALL == client.get_object(**key)["Body"].read()
        got = world.run(world.service.ask("GET", "box/o"))
        assert [] == [name for name in got.headers if "encrypt" in name]


def sums(world: S3World) -> bytes:
    """The checksum of an object, as its client is told."""
    got = world.client().get_object(Bucket="box", Key="one", ChecksumMode="ENABLED")
    return str(got["ChecksumSHA256"]).encode()


def test_tags_conditions_and_ranges_are_those_of_the_bytes(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        etag = (await service.put("c/o", LARGE)).headers["etag"]
        assert md5(LARGE).hexdigest() == etag
        head = await service.ask("HEAD", "c/o")
        assert (etag, str(len(LARGE))) == (head.headers["etag"], head.headers["content-length"])
        assert [] == [name for name in head.headers if "crypto" in name or "sysmeta" in name]
        for start, end in ((0, 0), (1, 15), (15, 16), (17, 1_048_577), (len(LARGE) - 3, len(LARGE))):
            got = await service.ask("GET", "c/o", headers={"range": f"bytes={start}-{end}"})
            assert (206, LARGE[start : end + 1]) == (got.status, got.body)
        many = await service.ask("GET", "c/o", headers={"range": "bytes=3-9,100-140"})
        assert LARGE[3:10] in many.body
        assert LARGE[100:141] in many.body
        statuses = [
            (await service.ask("GET", "c/o", headers={name: value})).status
            for name, value in (("if-match", etag), ("if-match", "x"), ("if-none-match", etag), ("if-none-match", "x"))
        ]
        assert [200, 412, 304, 200] == statuses
        assert [(etag, len(LARGE))] == [
            (one["hash"], one["bytes"]) for one in (await service.ask("GET", "c", query="format=json")).json
        ]
        assert etag in (await service.ask("GET", "c", query="format=xml")).body.decode()
        assert 422 == (await service.ask("PUT", "c/wrong", SMALL, headers={"etag": etag})).status
        assert 404 == (await service.ask("GET", "c/wrong")).status
        empty = (await service.put("c/empty", b"")).headers["etag"]
        assert (md5(b"").hexdigest(), b"") == (empty, (await service.ask("GET", "c/empty")).body)

    run(tmp_path, story, encryption=True)


def test_large_objects_are_read_through_their_encrypted_parts(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        manifest = []
        for number, body in enumerate((LARGE, SMALL)):
            etag = (await service.put(f"c/part/{number}", body)).headers["etag"]
            manifest.append({"path": f"/c/part/{number}", "etag": etag, "size_bytes": len(body)})
        said = await service.ask("PUT", "c/slo", json.dumps(manifest).encode(), query="multipart-manifest=put")
        assert 201 == said.status
        await service.put("c/dlo", b"", x_object_manifest="c/part/")
        for name in ("c/slo", "c/dlo"):
            got = await service.ask("GET", name, headers={"range": f"bytes={len(LARGE) - 9}-{len(LARGE) + 8}"})
            assert (206, LARGE[-9:] + SMALL[:9]) == (got.status, got.body)
        shown = (await service.ask("GET", "c/slo", query="multipart-manifest=get&format=raw")).json
        assert [one["etag"] for one in manifest] == [one["etag"] for one in shown]

    run(tmp_path, story, encryption=True)


def secrets_of(folder: Path) -> Path:
    return folder / "keys" / "object-secrets"


def test_a_root_secret_takes_over_and_old_objects_stay_readable(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/old", SMALL, x_object_meta_said=META)
        assert "2" == RootSecrets(secrets_of(tmp_path)).add()
        await service.put("c/new", LARGE)
        await service.ask("POST", "c/old", headers={"x-object-meta-said": "other"})
        assert SMALL == (await service.ask("GET", "c/old")).body
        (secrets_of(tmp_path) / "1").rename(tmp_path / "kept")

    async def without_the_first(service: Service) -> None:
        assert LARGE == (await service.ask("GET", "c/new")).body
        refused = await service.ask("GET", "c/old")
        assert (500, False) == (refused.status, b"nobody" in refused.body)
        hashes = [one["hash"] for one in (await service.ask("GET", "c", query="format=json")).json]
        assert [md5(LARGE).hexdigest(), "<unknown>"] == hashes
        (tmp_path / "kept").rename(secrets_of(tmp_path) / "1")
        got = await service.ask("GET", "c/old")
        assert (SMALL, "other") == (got.body, got.headers["x-object-meta-said"])

    clock = FakeClock()
    run(tmp_path, story, clock=clock, encryption=True)
    assert {"700", "600"} == {
        format(stat.S_IMODE(one.stat().st_mode), "o") for one in (secrets_of(tmp_path), *secrets_of(tmp_path).iterdir())
    }
    clock.move(1)
    run(tmp_path, without_the_first, clock=clock, encryption=True)


def test_encryption_is_switched_on_and_off_and_everything_stays_readable(tmp_path: Path) -> None:
    async def wrote(service: Service, name: str) -> None:
        await service.put("c", b"")
        await service.put(f"c/{name}", SMALL, x_object_meta_said=META)

    async def before(service: Service) -> None:
        await wrote(service, "before")

    async def during(service: Service) -> None:
        await wrote(service, "during")
        assert 202 == (await service.ask("POST", "c/before", headers={"x-object-meta-said": "later"})).status

    async def after(service: Service) -> None:
        await wrote(service, "after")
        for name, said in (("before", "later"), ("during", META), ("after", META)):
            got = await service.ask("GET", f"c/{name}")
            assert (200, SMALL, said) == (got.status, got.body, got.headers["x-object-meta-said"])
        hashes = {one["hash"] for one in (await service.ask("GET", "c", query="format=json")).json}
        assert {md5(SMALL).hexdigest()} == hashes
        assert 202 == (await service.ask("POST", "c/during", headers={"x-object-meta-said": "plain"})).status
        got = await service.ask("GET", "c/during")
        assert (SMALL, "plain") == (got.body, got.headers["x-object-meta-said"])

    clock = FakeClock()
    run(tmp_path, before, clock=clock)
    assert not secrets_of(tmp_path).exists()
    clock.move(1)
    run(tmp_path, during, clock=clock, encryption=True)
    clock.move(1)
    run(tmp_path, after, clock=clock)


def test_what_a_client_calls_sealed_is_not_taken_for_it(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", SMALL, x_object_meta_said="sealed:1:1:AAAA")
        await service.ask("PUT", "c/p", SMALL, headers={"x-object-sysmeta-crypto-bytes": "sealed:1:1:AAAA"})
        assert "sealed:1:1:AAAA" == (await service.ask("HEAD", "c/o")).headers["x-object-meta-said"]
        assert SMALL == (await service.ask("GET", "c/p")).body

    run(tmp_path, story)


def test_a_secret_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(NoSuchSecret, match="no root secret 7"):
        RootSecrets(tmp_path / "secrets", sealing=True, chosen="7")
    chosen = RootSecrets(tmp_path / "secrets", sealing=True, chosen="1")
    chosen.add()
    assert chosen.active is not None
    assert "1" == chosen.active.id


def test_containers_are_synced_as_what_they_hold(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("from", b"", x_container_sync_to="//realm/here/AUTH_p1/to", x_container_sync_key="key")
        await service.put("to", b"", x_container_sync_key="key")
        await service.put("from/o", LARGE, x_object_meta_said=META)
        assert "1 objects sent to other containers" in str(await service.app.workers.syncer.run())
        got = await service.ask("GET", "to/o")
        assert (LARGE, META) == (got.body, got.headers["x-object-meta-said"])

    run(tmp_path, story, encryption=True, sync_realms=("realm secret here=/",))


@given(st.binary(min_size=1, max_size=400), st.integers(0, 399), st.integers(0, 400), st.integers(1, 50))
def test_any_part_can_be_read(content: bytes, start: int, length: int, chunk: int) -> None:
    key = BytesKey.fresh()
    sealed = key.at(0)(content)
    part = sealed[start : start + length]
    turn = BytesKey.of(key.raw).at(start)
    opened = b"".join(turn(part[at : at + chunk]) for at in range(0, len(part), chunk))
    assert content[start : start + length] == opened


def test_what_was_sealed_is_opened_only_as_what_it_was() -> None:
    secrets = {"1": Secret("1", b"1" * 32)}
    mine = Seals(Name("a", "c", "o"), secrets.get)
    token = mine.seal(secrets["1"], b"text", "x-object-meta-a")
    assert b"text" == mine.open(token, "x-object-meta-a")
    others = Seals(Name("a", "c", "p"), secrets.get)
    for seals, sealed, about in (
        (mine, token, "x-object-meta-b"),
        (others, token, "x-object-meta-a"),
        (mine, f"{token[:-8]}AAAAAAAA", "x-object-meta-a"),
        (mine, token.replace(":1:1:", ":1:2:"), "x-object-meta-a"),
        (mine, "sealed:1:1:?", "x-object-meta-a"),
    ):
        with pytest.raises(NotOpened):
            seals.open(sealed, about)

"""Object storage by the programs that speak S3: boto3, rclone, s3cmd, restic and aws, against a running cloud.

Each puts, lists, gets and deletes, and sends something in parts.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.clients.cloud import RunningCloud, running_cloud

pytestmark = [pytest.mark.client, pytest.mark.timeout(900)]
LARGE = 12 << 20  # more than two parts of the least size
PROGRAM_S = 300


class Bench:
    """A cloud, the keys of its demo user, and a directory to work in."""

    def __init__(self, cloud: RunningCloud) -> None:
        self.cloud = cloud
        self.address = f"http://{cloud.address}"
        token = cloud.token("demo")
        me = cloud.ask("GET", "/identity/v3/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token})
        said = json.loads(me.body)["token"]
        self.endpoint = next(
            one["url"]
            for entry in said["catalog"]
            if entry["type"] == "s3"
            for one in entry["endpoints"]
            if one["interface"] == "public"
        )
        made = cloud.ask(
            "POST",
            f"/identity/v3/users/{said['user']['id']}/credentials/OS-EC2",
            {"tenant_id": said["project"]["id"]},
            as_="demo",
        )
        pair = json.loads(made.body)["credential"]
        self.access, self.secret = pair["access"], pair["secret"]

    def run(self, *argv: str, **variables: str) -> str:
        """What a program printed; it must end well."""
        keys = {
            "AWS_ACCESS_KEY_ID": self.access,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        plain = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.cloud.path), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            argv, env={**plain, **keys, **variables}, capture_output=True, text=True, timeout=PROGRAM_S, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}\n{self.cloud.log()}"
        return done.stdout

    def client(self, **config: Any) -> Any:
        """A client of boto3."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, **config),
        )


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with running_cloud() as cloud:
        yield Bench(cloud)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small files, one below another directory, and a large one."""
    made = tmp_path / "files"
    (made / "below").mkdir(parents=True)
    (made / "small one.txt").write_bytes(b"small")
    (made / "below" / "\u00e4+&.bin").write_bytes(os.urandom(70_000))
    (made / "large.bin").write_bytes(os.urandom(LARGE))
    return made


def same(one: Path, other: Path) -> bool:
    """Whether two directories hold the same files."""
    names = [sorted(str(file.relative_to(top)) for file in top.rglob("*") if file.is_file()) for top in (one, other)]
    return names[0] == names[1] and all((one / name).read_bytes() == (other / name).read_bytes() for name in names[0])


def test_boto3(bench: Bench, folder: Path) -> None:
    for version in ("s3v4", "s3"):
        client = bench.client(signature_version=version)
        client.create_bucket(Bucket="boto")
        for file in folder.rglob("*"):
            if file.is_file():
                client.upload_file(str(file), "boto", str(file.relative_to(folder)))
        assert 3 == client.list_objects_v2(Bucket="boto")["KeyCount"]
        assert client.head_object(Bucket="boto", Key="large.bin")["ETag"].endswith('-2"')
        client.download_file("boto", "large.bin", str(folder.parent / "back"))
        assert (folder / "large.bin").read_bytes() == (folder.parent / "back").read_bytes()
        keys = [{"Key": one["Key"]} for one in client.list_objects_v2(Bucket="boto")["Contents"]]
        assert 3 == len(client.delete_objects(Bucket="boto", Delete={"Objects": keys})["Deleted"])
        client.delete_bucket(Bucket="boto")
        client.close()


def test_the_swift_api_sees_what_s3_put(bench: Bench) -> None:
    client = bench.client()
    client.create_bucket(Bucket="both")
    client.put_object(Bucket="both", Key="a/b", Body=b"bytes", Metadata={"colour": "blue"})
    assert ["a/b"] == [row["Name"] for row in bench.cloud.openstack("object list both")]
    assert "blue" in str(bench.cloud.openstack("object show both a/b"))
    bench.cloud.openstack("container delete --recursive both")
    assert "both" not in [one["Name"] for one in client.list_buckets()["Buckets"]]
    client.close()


def test_a_wrong_secret_opens_nothing(bench: Bench) -> None:
    client = bench.client()
    client.list_buckets()
    client.close()
    wrong = boto3.client(
        "s3",
        endpoint_url=bench.endpoint,
        aws_access_key_id=bench.access,
        aws_secret_access_key="0" * 32,
        region_name="us-east-1",
    )
    with pytest.raises(wrong.exceptions.ClientError, match="SignatureDoesNotMatch"):
        wrong.list_buckets()
    wrong.close()


def test_rclone(bench: Bench, folder: Path, tmp_path: Path) -> None:
    about = {
        "RCLONE_CONFIG_C_TYPE": "s3", "RCLONE_CONFIG_C_PROVIDER": "Other", "RCLONE_CONFIG_C_ENDPOINT": bench.endpoint,
        "RCLONE_CONFIG_C_ENV_AUTH": "true", "RCLONE_S3_UPLOAD_CUTOFF": "6M", "RCLONE_S3_CHUNK_SIZE": "5M", "RCLONE_RETRIES": "1",
    }  # fmt: skip
    bench.run("rclone", "mkdir", "C:rclone", **about)
    bench.run("rclone", "copy", str(folder), "C:rclone/top", **about)
    assert "large.bin" in bench.run("rclone", "lsf", "-R", "C:rclone", **about)
    bench.run("rclone", "check", "--download", str(folder), "C:rclone/top", **about)
    bench.run("rclone", "copy", "C:rclone/top", str(tmp_path / "back"), **about)
    assert same(folder, tmp_path / "back")
    bench.run("rclone", "moveto", "C:rclone/top/small one.txt", "C:rclone/moved", **about)
    bench.run("rclone", "delete", "C:rclone", **about)
    assert "" == bench.run("rclone", "lsf", "-R", "--files-only", "C:rclone", **about)
    bench.run("rclone", "purge", "C:rclone", **about)


@pytest.mark.scale
@pytest.mark.parametrize("version", [4, 2])
def test_s3cmd(bench: Bench, folder: Path, tmp_path: Path, version: int) -> None:
    host = bench.address.removeprefix("http://")
    settings = {
        "access_key": bench.access, "secret_key": bench.secret, "host_base": host, "host_bucket": host, "use_https": "False",
        "signature_v2": str(version == 2), "multipart_chunk_size_mb": "5", "bucket_location": "us-east-1",
    }  # fmt: skip
    file = tmp_path / "s3cfg"
    file.write_text("[default]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()))
    s3cmd = ("s3cmd", "-c", str(file), "--no-progress")
    bucket = f"s3://s3cmd-{version}"
    bench.run(*s3cmd, "mb", bucket)
    bench.run(*s3cmd, "put", "--recursive", f"{folder}/", f"{bucket}/top/")
    assert 3 == len(bench.run(*s3cmd, "ls", "--recursive", bucket).splitlines())
    (tmp_path / "back").mkdir()
    bench.run(*s3cmd, "get", "--recursive", f"{bucket}/top/", f"{tmp_path}/back/")
    assert same(folder, tmp_path / "back")
    bench.run(*s3cmd, "cp", f"{bucket}/top/small one.txt", f"{bucket}/copy")
    assert "text/plain" in bench.run(*s3cmd, "info", f"{bucket}/copy")
    bench.run(*s3cmd, "del", "--recursive", "--force", bucket)
    assert "" == bench.run(*s3cmd, "ls", "--recursive", bucket)
    bench.run(*s3cmd, "rb", bucket)


@pytest.mark.scale
def test_restic(bench: Bench, folder: Path, tmp_path: Path) -> None:
    # Its addresses are HOST/BUCKET/PREFIX: it comes in at the root, known by its signature.
    repository = f"s3:{bench.address}/restic"
    about = {"RESTIC_REPOSITORY": repository, "RESTIC_PASSWORD": "pass", "RESTIC_CACHE_DIR": str(tmp_path / "cache")}
    bench.run("restic", "init", **about)
    bench.run("restic", "backup", str(folder), **about)
    assert "1 snapshots" in bench.run("restic", "snapshots", **about)
    bench.run("restic", "check", "--read-data", **about)
    bench.run("restic", "restore", "latest", "--target", str(tmp_path / "back"), **about)
    assert same(folder, tmp_path / "back" / folder.relative_to("/"))
    bench.run("restic", "forget", "--keep-last", "1", "--prune", **about)


@pytest.mark.scale
def test_aws(bench: Bench, folder: Path, tmp_path: Path) -> None:
    aws = ("/usr/bin/aws", "--endpoint-url", bench.endpoint)
    bench.run(*aws, "s3", "mb", "s3://aws-box")
    bench.run(*aws, "s3", "cp", "--recursive", str(folder), "s3://aws-box/top")
    assert 3 == len(bench.run(*aws, "s3", "ls", "--recursive", "s3://aws-box").splitlines())
    bench.run(*aws, "s3", "sync", "s3://aws-box/top", str(tmp_path / "back"))
    assert same(folder, tmp_path / "back")
    bench.run(*aws, "s3", "mv", "s3://aws-box/top/large.bin", "s3://aws-box/moved")
    url = bench.run(*aws, "s3", "presign", "s3://aws-box/moved").strip()
    assert LARGE == int(bench.cloud.ask("GET", url.removeprefix(bench.address)).headers["content-length"])
    bench.run(
        *aws, "s3api", "put-object", "--bucket", "aws-box", "--key", "one", "--body", str(folder / "small one.txt")
    )
    bench.run(*aws, "s3", "rb", "--force", "s3://aws-box")
    assert "aws-box" not in bench.run(*aws, "s3", "ls")

"""Object storage by the programs people use: the openstack command, python-swiftclient, the SDK."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import swiftclient
from swiftclient.service import SwiftService, SwiftUploadObject
from tests.clients.cloud import RunningCloud, running_cloud

pytestmark = [pytest.mark.client, pytest.mark.timeout(600), pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with running_cloud() as made:
        yield made


def options(cloud: RunningCloud) -> dict[str, str]:
    given = cloud.environment("demo")
    return {"auth_version": "3", **{name.lower(): value for name, value in given.items()}}


def test_openstack_commands(cloud: RunningCloud, tmp_path: Path) -> None:
    file = tmp_path / "hello.txt"
    file.write_bytes(os.urandom(300_000))
    cloud.openstack("container create box")
    cloud.openstack(f"object create box {file} --name a/hello")
    assert ["a/hello"] == [row["Name"] for row in cloud.openstack("object list box")]
    cloud.openstack("object set --property colour=blue box a/hello")
    assert "blue" in str(cloud.openstack("object show box a/hello"))
    cloud.openstack(f"object save box a/hello --file {tmp_path / 'back'}")
    assert file.read_bytes() == (tmp_path / "back").read_bytes()
    account = cloud.openstack("object store account show")
    assert ("1", "1", "300000") == (str(account["Containers"]), str(account["Objects"]), str(account["Bytes"]))
    cloud.openstack("container delete --recursive box")
    assert [] == cloud.openstack("container list")


def test_swift_client_uploads_in_segments_and_downloads_whole(cloud: RunningCloud, tmp_path: Path) -> None:
    content = os.urandom(5_000_000)
    (tmp_path / "big").write_bytes(content)
    with SwiftService(options=options(cloud) | {"segment_size": "1000000", "use_slo": True}) as swift:
        uploaded = list(swift.upload("files", [SwiftUploadObject(str(tmp_path / "big"), object_name="big")]))
        assert all(one["success"] for one in uploaded), uploaded
        (stat,) = swift.stat("files", ["big"])
        assert "5000000" == stat["headers"]["content-length"]
        assert "True" == stat["headers"]["x-static-large-object"]
        (down,) = swift.download("files", ["big"], {"out_file": str(tmp_path / "back")})
        assert down["success"], down
        assert content == (tmp_path / "back").read_bytes()
        assert all(one["success"] for one in swift.delete("files", ["big"]))
        assert 0 == sum(len(page["listing"]) for page in swift.list("files_segments") if page["success"])


def test_swift_connection_sees_what_can_be_done(cloud: RunningCloud) -> None:
    given = cloud.environment("demo")
    connection = swiftclient.Connection(
        authurl=given["OS_AUTH_URL"],
        user=given["OS_USERNAME"],
        key=given["OS_PASSWORD"],
        auth_version="3",
        os_options={
            "project_name": given["OS_PROJECT_NAME"],
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
    )
    try:
        assert {"swift", "slo", "tempurl"} <= set(connection.get_capabilities())
        connection.put_container("c")
        etag = connection.put_object("c", "o", b"bytes", headers={"x-object-meta-a": "ä"})
        headers, body = connection.get_object("c", "o")
        assert (etag, b"bytes", "ä") == (headers["etag"], body, headers["x-object-meta-a"])
        _, listing = connection.get_container("c", full_listing=True)
        assert ["o"] == [one["name"] for one in listing]
        connection.delete_object("c", "o")
        connection.delete_container("c")
    finally:
        connection.close()


def test_programs_from_before_identity_log_in(cloud: RunningCloud) -> None:
    given = cloud.environment("demo")
    user = f"{given['OS_PROJECT_NAME']}:{given['OS_USERNAME']}"
    address = f"http://{cloud.address}/auth/v1.0"
    connection = swiftclient.Connection(authurl=address, user=user, key=given["OS_PASSWORD"], auth_version="1")
    try:
        connection.put_container("old")
        connection.put_object("old", "o", b"bytes")
        assert b"bytes" == connection.get_object("old", "o")[1]
        connection.delete_object("old", "o")
        connection.delete_container("old")
    finally:
        connection.close()
    wrong = swiftclient.Connection(authurl=address, user=user, key="wrong", auth_version="1", retries=0)
    with pytest.raises(swiftclient.ClientException, match="401"):
        wrong.get_account()
    wrong.close()


def test_swift_command_makes_urls_that_strangers_can_use(cloud: RunningCloud, tmp_path: Path) -> None:
    environment = {**os.environ, **cloud.environment("demo"), "ST_AUTH_VERSION": "3"}

    def swift(*arguments: str) -> str:
        argv = [sys.executable, "-m", "swiftclient.shell", *arguments]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    (tmp_path / "page").write_text("for all")
    swift("upload", "web", "page")
    swift("post", "-m", "Temp-URL-Key:secret")
    account = swift("stat", "-v").partition("StorageURL: ")[2].split()[0].partition(cloud.address)[2]
    url = swift("tempurl", "GET", "3600", f"{account}/web/page", "secret").strip()
    assert (200, b"for all") == (cloud.ask("GET", url).status, cloud.ask("GET", url).body)
    assert 401 == cloud.ask("GET", f"{account}/web/page").status
    swift("post", "-r", ".r:*", "web")
    assert 200 == cloud.ask("GET", f"{account}/web/page").status


def test_sdk_uploads_and_lists(cloud: RunningCloud) -> None:
    demo = cloud.sdk("demo")
    demo.create_container("sdk")
    demo.object_store.upload_object(container="sdk", name="o", data=b"bytes")
    assert ["o"] == [one.name for one in demo.object_store.objects("sdk")]
    assert b"bytes" == demo.object_store.download_object("o", container="sdk")
    demo.delete_object("sdk", "o")
    demo.delete_container("sdk")

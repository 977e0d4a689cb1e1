"""Well-known cloud images: found, fetched, checked, and brought into a cloud once."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from pileus.main.cli import main
from pileus.main.client import Client
from pileus.main.cloud_images import (
    CATALOG,
    CloudImage,
    NoSuchCloudImage,
    NotFetched,
    WrongChecksum,
    checksum_in,
    fetch,
    image_called,
    led_astray,
)
from pileus.main.commands.image import bring, underway

DISK = bytes(range(256)) * 4096
SHA = hashlib.sha256(DISK).hexdigest()


class Maker:
    """A maker's server: what it serves, and which stretches it was asked for."""

    def __init__(self, port: int) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.most = 1 << 40  # bytes of an answer; then the connection is closed
        self.url = f"http://127.0.0.1:{port}"
        self.image = CloudImage(title="a disk", url=f"{self.url}/disk.qcow2", sums=".SHA256")


@pytest.fixture
def maker() -> Iterator[Maker]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            known.asked.append((self.path, asked))
            body = known.pages.get(self.path)
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
            status = 404 if body is None else 416 if start >= len(body) and start else 206 if start else 200
            sent = (body or b"")[start:] if status < 400 else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent[: known.most])

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known = Maker(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield known
        finally:
            server.shutdown()
            thread.join()


def quiet(_: str) -> None:
    """Say nothing."""


@pytest.mark.parametrize(
    "text",
    [f"{SHA}  disk.qcow2\n", f"{'0' * 64} *other\n{SHA} *disk.qcow2\n", f"# x\nSHA256 (disk.qcow2) = {SHA}\n", f"{SHA}\n", f"{SHA.upper()}  ./a/disk.qcow2"],
)  # fmt: skip
def test_checksums_are_read_as_makers_write_them(text: str) -> None:
    assert SHA == checksum_in(text, "disk.qcow2", "sha256")


@pytest.mark.parametrize(
    "text", ["", f"{SHA}  other.qcow2", f"MD5 (disk.qcow2) = {SHA[:32]}", f"{SHA[:40]}  disk.qcow2"]
)
def test_a_checksum_of_something_else_is_none(text: str) -> None:
    assert checksum_in(text, "disk.qcow2", "sha256") is None


def test_a_checksum_that_belongs_to_one_file_may_call_it_as_it_likes(maker: Maker, tmp_path: Path) -> None:
    maker.pages = {"/disk.qcow2": DISK, "/disk.qcow2.SHA256": f"{SHA}  disk-Build19.4.qcow2\n".encode()}
    assert SHA == fetch("disk", maker.image, quiet, tmp_path)[1]
    maker.pages["/disk.qcow2.SHA256"] = f"{SHA}  a\n{SHA}  b\n".encode()
    with pytest.raises(NotFetched, match="does not tell"):
        fetch("disk", maker.image, quiet, tmp_path)
    maker.pages["/SUMS"] = f"{SHA}  other\n".encode()
    listed = CloudImage(title="a disk", url=f"{maker.url}/disk.qcow2", sums=f"{maker.url}/SUMS")
    with pytest.raises(NotFetched, match="does not tell"):
        fetch("disk", listed, quiet, tmp_path)


def test_checksums_come_over_https_or_prove_nothing() -> None:
    assert led_astray("https://a/SUMS", "http://mirror/SUMS")
    assert not led_astray("https://a/SUMS", "https://mirror/SUMS")
    assert not led_astray("http://127.0.0.1/SUMS", "http://127.0.0.1/SUMS")


def test_an_image_is_fetched_and_checked(maker: Maker, tmp_path: Path) -> None:
    maker.pages = {"/disk.qcow2": DISK, "/disk.qcow2.SHA256": f"SHA256 (disk.qcow2) = {SHA}".encode()}
    file, checksum = fetch("disk", maker.image, quiet, tmp_path)
    assert (DISK, SHA) == (file.read_bytes(), checksum)
    assert [file] == list(tmp_path.iterdir())


def test_what_broke_off_goes_on_where_it_was(maker: Maker, tmp_path: Path) -> None:
    maker.pages = {"/disk.qcow2": DISK, "/disk.qcow2.SHA256": SHA.encode()}
    (tmp_path / f"{SHA[:16]}-disk.qcow2.part").write_bytes(DISK[:1000])
    assert DISK == fetch("disk", maker.image, quiet, tmp_path)[0].read_bytes()
    assert ("/disk.qcow2", "bytes=1000-") in maker.asked
    (tmp_path / f"{SHA[:16]}-disk.qcow2").rename(tmp_path / f"{SHA[:16]}-disk.qcow2.part")
    assert DISK == fetch("disk", maker.image, quiet, tmp_path)[0].read_bytes()


def test_what_ends_too_early_is_kept_and_gone_on_with(maker: Maker, tmp_path: Path) -> None:
    maker.pages = {"/disk.qcow2": DISK, "/disk.qcow2.SHA256": SHA.encode()}
    maker.most = 300_000
    tries = len(DISK) // maker.most
    for at in range(1, tries + 1):
        with pytest.raises(NotFetched, match=f"broke off {len(DISK) - at * maker.most} bytes before its end"):
            fetch("disk", maker.image, quiet, tmp_path)
    assert DISK == fetch("disk", maker.image, quiet, tmp_path)[0].read_bytes()
    assert ("/disk.qcow2", f"bytes={tries * maker.most}-") in maker.asked


def test_what_is_not_what_its_maker_says_is_not_kept(maker: Maker, tmp_path: Path) -> None:
    maker.pages = {"/disk.qcow2": DISK[::-1], "/disk.qcow2.SHA256": SHA.encode()}
    with pytest.raises(WrongChecksum, match="should be"):
        fetch("disk", maker.image, quiet, tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_whoever_cannot_be_reached_is_named_with_what_helps(maker: Maker, tmp_path: Path) -> None:
    with pytest.raises(
        NotFetched, match=r"disk.qcow2.SHA256 cannot be fetched: the answer is 404.*openstack image create"
    ):
        fetch("disk", maker.image, quiet, tmp_path)
    nowhere = CloudImage(title="", url="https://images.invalid/disk.qcow2", sums=".SHA256")
    with pytest.raises(NotFetched, match=r"images\.invalid.*cannot be fetched"):
        fetch("disk", nowhere, quiet, tmp_path)


def test_the_catalog_is_listed_and_knows_its_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["image", "fetch"])
    listed = capsys.readouterr().out
    assert all(name in listed and one.url.startswith("https://") for name, one in CATALOG.items())
    assert all(one.sums_url.startswith("https://") and one.file for one in CATALOG.values())
    with pytest.raises(NoSuchCloudImage, match="debian-12"):
        image_called("windows-3.11")


class Cloud:
    """An image service that remembers."""

    def __init__(self) -> None:
        self.images: list[dict[str, Any]] = []
        self.uploads: list[str] = []

    def get(self, _service: str, _path: str, **_query: str) -> dict[str, Any]:
        return {"images": self.images}

    def post(self, _service: str, _path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.images.append({"id": f"i{len(self.images)}", "status": "queued", **body})
        return self.images[-1]

    def upload(self, _service: str, path: str, _file: Path) -> None:
        self.uploads.append(path)
        self.images[-1]["status"] = "active"


def test_imports_under_way_are_told_of() -> None:
    class Tasks(Cloud):
        def get(self, _service: str, path: str, **query: str) -> dict[str, Any]:
            wanted = {"processing": ["t1", "t2"], "pending": ["t3"]}
            if "status" in query:
                return {"tasks": [{"id": id} for id in wanted[query["status"]]]}
            id = path.rpartition("/")[2]
            given = {"import_req": {"method": {"name": "web-download"}}} if id == "t1" else {}
            told = "fetching: 64 of 640 MiB (10 %)" if id == "t1" else ""
            return {"image_id": f"i-{id}", "type": "import", "input": given, "message": told}

    assert [
        "i-t1  web-download      fetching: 64 of 640 MiB (10 %)",
        "i-t2  import            processing",
        "i-t3  import            pending",
    ] == list(underway(cast("Client", Tasks())))


def test_the_same_bytes_are_brought_once(maker: Maker, tmp_path: Path) -> None:
    cloud = Cloud()
    client = cast("Client", cloud)
    assert "i0" == bring(client, "disk", maker.image, tmp_path, SHA)
    assert "i0" == bring(client, "disk", maker.image, tmp_path, SHA)
    assert "i1" == bring(client, "disk", maker.image, tmp_path, SHA[::-1])
    assert ["/v2/images/i0/file", "/v2/images/i1/file"] == cloud.uploads

"""Images of another region: two image services side by side, of which one asks the other with its caller's token."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from tests.image.harness import CALLERS, RAW, Service, build, over, run
from tests.image.test_imports import tasks

from pileus.image import manifest
from pileus.kit.auth import Caller
from pileus.kit.errors import Unauthorized
from pileus.kit.http import Kernel
from pileus.ports.identity import CatalogEntry, ProjectRef, UserRef

METHODS = ("glance-direct", "glance-download")
ABSENT = "00000000-0000-0000-0000-000000000009"


class Catalog:
    """Where the image services of other regions are; nobody else is known."""

    def __init__(self, **regions: str) -> None:
        self.regions = regions

    async def endpoint(self, service_type: str, interface: str = "public", region: str | None = None) -> str | None:
        return self.regions.get(region or "") if (service_type, interface) == ("image", "public") else None

    async def catalog(self, project_id: str | None = None) -> tuple[CatalogEntry, ...]:
        return ()

    async def project(self, project_id: str) -> ProjectRef | None:
        return None

    async def project_name(self, project_id: str) -> str | None:
        return None

    async def user(self, user_id: str) -> UserRef | None:
        return None


class Carried:
    """Callers who carry their token."""

    async def caller(self, token: str) -> Caller:
        if token not in CALLERS:
            raise Unauthorized
        return msgspec.structs.replace(CALLERS[token], token=token)


@contextlib.asynccontextmanager
async def served(far: Service, spoil: bytes = b"") -> AsyncIterator[str]:
    """The other region answers on this machine; what it sends of images ends in `spoil`. The address of its service."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        path = head.split(" ", 2)[1].removeprefix("/image")
        status, body, headers = await far.ask("GET", path, token=lines.get("x-auth-token"))
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        if path.endswith("/file") and spoil:
            raw = raw[: -len(spoil)] + spoil
        location = f"location: {headers['location']}\r\n" if "location" in headers else ""
        told = f"HTTP/1.1 {status} So\r\ncontent-length: {len(raw)}\r\n{location}connection: close\r\n\r\n"
        writer.write(told.encode() + raw)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/image"


def near(cloud: Service, **regions: str) -> Service:
    """This region's service, with a catalog."""
    app = over(cloud.app.db, cloud.state, cloud.app.clock, cloud.app.config, directory=Catalog(**regions))
    known = Service(app, cloud.state)
    known.kernel = Kernel(Carried())
    known.kernel.mount("image", manifest.API, app)
    return known


def download(image: str, region: str = "east", **more: str) -> dict[str, Any]:
    """The body of an import from another region."""
    return {"method": {"name": "glance-download", "glance_image_id": image, "glance_region": region, **more}}


async def asked(cloud: Service, id: str, body: dict[str, Any]) -> tuple[int, str]:
    """The status of an import's answer, and what its task says when all is quiet."""
    status = (await cloud.ask("POST", f"/v2/images/{id}/import", body))[0]
    await cloud.settle()
    return status, (await tasks(cloud, id))[0]["message"] if status == 202 else ""


def beside(tmp_path: Path, test: Any, spoil: bytes = b"") -> None:
    """Run a test of (this region, the other region)."""

    async def both(cloud: Service) -> None:
        (tmp_path / "east").mkdir()
        far_app = await build(tmp_path / "east")
        try:
            far = Service(far_app, tmp_path / "east")
            async with served(far, spoil) as url:
                await test(near(cloud, east=url), far)
        finally:
            await far_app.db.close()

    run(tmp_path, both, import_methods=METHODS)


def test_an_image_comes_from_another_region_with_what_is_said_of_it(tmp_path: Path) -> None:
    async def test(cloud: Service, far: Service) -> None:
        source = (await far.create(hw_cpu_cores="5", os_distro="rhel", speed="88mph", disk_format="raw"))["id"]
        assert 204 == await far.upload(source)
        id = (await cloud.create(disk_format="iso", container_format="ovf", os_distro="windows"))["id"]
        assert (202, "") == await asked(cloud, id, download(source))
        image, there = await cloud.show(id), await far.show(source)
        for name in ("disk_format", "container_format", "size", "os_hash_value", "hw_cpu_cores", "os_distro"):
            assert there[name] == image[name]
        assert ("active", False) == (image["status"], "speed" in image)
        assert RAW == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]
        assert {} == cloud.app.tokens, "no token is kept longer than it is needed"

    beside(tmp_path, test)


def test_what_a_region_does_not_give_leaves_the_image_as_it_was(tmp_path: Path) -> None:
    async def test(cloud: Service, far: Service) -> None:
        others = (await far.create("bob", visibility="private"))["id"]
        assert 204 == await far.upload(others, token="bob")
        waiting = (await far.create())["id"]
        for body, says in (
            (download(ABSENT), "404"),
            (download(others), "404"),
            (download(waiting), "status queued there"),
            (download(ABSENT, "west"), "no public endpoint of an image service in region west"),
            (download(ABSENT, glance_service_interface="inner"), "no inner endpoint"),
        ):
            id = (await cloud.create(disk_format="iso", os_distro="windows"))["id"]
            status, why = await asked(cloud, id, body)
            image = await cloud.show(id)
            assert (202, True) == (status, says in why), why
            assert ("queued", "iso", "windows") == (image["status"], image["disk_format"], image["os_distro"])
        assert [] == cloud.stored()

    beside(tmp_path, test)


def test_bytes_that_are_not_what_the_region_says_are_not_taken(tmp_path: Path) -> None:
    async def test(cloud: Service, far: Service) -> None:
        source = (await far.create())["id"]
        assert 204 == await far.upload(source)
        id = (await cloud.create())["id"]
        assert "its checksum should be" in (await asked(cloud, id, download(source)))[1]
        assert ("queued", []) == ((await cloud.show(id))["status"], cloud.stored())

    beside(tmp_path, test, b"spoilt")


def test_an_import_that_fails_later_gives_back_what_was_said(tmp_path: Path) -> None:
    async def test(cloud: Service, far: Service) -> None:
        source = (await far.create(os_distro="rhel"))["id"]
        assert 204 == await far.upload(source)
        id = (await cloud.create(disk_format="iso", container_format="ovf", img_signature="no"))["id"]
        about = {
            "img_signature_hash_method": "SHA-256",
            "img_signature_key_type": "DSA",
            "img_signature_certificate_uuid": ABSENT,
        }
        for name, value in about.items():
            assert 200 == (await cloud.patch(id, {"op": "add", "path": f"/{name}", "value": value}))[0]
        assert "Signature verification failed" in (await asked(cloud, id, download(source)))[1]
        image = await cloud.show(id)
        assert ("queued", "iso", "ovf") == (image["status"], image["disk_format"], image["container_format"])
        assert "os_distro" not in image

    beside(tmp_path, test)


def test_a_token_that_a_restart_forgot_has_to_be_shown_again(tmp_path: Path) -> None:
    async def test(cloud: Service, far: Service) -> None:
        source, id = (await far.create())["id"], (await cloud.create())["id"]
        assert 204 == await far.upload(source)
        assert 202 == (await cloud.ask("POST", f"/v2/images/{id}/import", download(source)))[0]
        cloud.app.tokens.clear()
        await cloud.settle()
        assert "ask again" in (await tasks(cloud, id))[0]["message"]
        assert 202 == (await asked(cloud, id, download(source)))[0]
        assert ("active", 2) == ((await cloud.show(id))["status"], len(await tasks(cloud, id)))

    beside(tmp_path, test)


def test_requests_that_name_no_image_are_refused_at_once(tmp_path: Path) -> None:
    async def test(cloud: Service, far: Service) -> None:
        id = (await cloud.create())["id"]
        bodies = (download("foo"), download(ABSENT, ""), {"method": {"name": "glance-download"}})
        for body in bodies:
            assert 400 == (await asked(cloud, id, body))[0]
        assert b"does not look like a UUID" in (await cloud.ask("POST", f"/v2/images/{id}/import", bodies[0]))[1]
        assert far is not cloud

    beside(tmp_path, test)

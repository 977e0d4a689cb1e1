"""Limits of projects, as their operator registered them with identity."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.image.harness import OCTETS, Service, over, run
from tests.image.test_imports import asks, imported

from pileus.ports.limits import Bound

MIB = bytes(1 << 20)


class Registered:
    """Limits that a test sets."""

    def __init__(self, tree: tuple[str, ...] = (), whole: int | None = None, **limits: int) -> None:
        self.limits = limits
        self.tree = tree
        self.whole = whole

    async def bounds(self, project_id: str, service_type: str, region: str | None = None) -> Mapping[str, Bound]:
        assert ("image", "RegionOne") == (service_type, region)
        return {name: Bound(limit, self.tree, self.whole) for name, limit in self.limits.items()}


def limited(cloud: Service, limits: Registered) -> Service:
    """The service, with these limits."""
    return Service(over(cloud.app.db, cloud.state, cloud.app.clock, cloud.app.config, limits=limits), cloud.state)


async def stage(cloud: Service, id: str, content: bytes = MIB) -> tuple[int, Any]:
    """The answer to bytes that are staged."""
    return (await cloud.ask("PUT", f"/v2/images/{id}/stage", content, headers=OCTETS))[:2]


def test_a_project_has_no_more_images_than_it_may(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        limits = Registered(image_count_total=1)
        cloud = limited(cloud, limits)
        first = (await cloud.create())["id"]
        status, why, _ = await cloud.ask("POST", "/v2/images", {"name": "second"})
        assert 413 == status
        assert b"image_count_total is over its limit of 1 images" in why
        await cloud.create("bob")
        limits.limits["image_count_total"] = 2
        await cloud.create()
        assert 413 == (await cloud.ask("POST", "/v2/images", {"name": "third"}))[0]
        assert 204 == (await cloud.ask("DELETE", f"/v2/images/{first}"))[0]
        await cloud.create()

    run(tmp_path, test)


def test_a_project_uploads_no_more_images_at_once_than_it_may(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        cloud = limited(cloud, Registered(image_count_uploading=1))
        first, second = (await cloud.create())["id"], (await cloud.create())["id"]
        assert 204 == (await stage(cloud, first))[0]
        assert 413 == (await stage(cloud, second))[0]
        assert 413 == await cloud.upload(second)
        assert 413 == await imported(cloud, second, asks("web-download", uri="http://images.example/x"))
        assert 202 == await imported(cloud, first, asks("glance-direct"))
        assert 204 == await cloud.upload(second)

    run(tmp_path, test)


def test_who_is_not_beyond_his_limit_may_bring_one_more_image(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        limits = Registered(image_size_total=1, image_stage_total=1)
        cloud = limited(cloud, limits)
        first, second, third = [(await cloud.create())["id"] for _ in range(3)]
        assert 204 == await cloud.upload(first, MIB)
        assert 204 == await cloud.upload(second, MIB)
        status, why, _ = await cloud.ask("PUT", f"/v2/images/{third}/file", MIB, headers=OCTETS)
        assert (413, True) == (status, b"image_size_total is over its limit of 1 MiB" in why)
        limits.limits["image_size_total"] = 2
        assert 204 == await cloud.upload(third, MIB)

    run(tmp_path, test)


@pytest.mark.parametrize("told", [True, False], ids=["told", "streamed"])
def test_no_byte_lies_beyond_what_a_project_may_have(tmp_path: Path, told: bool) -> None:
    async def test(cloud: Service) -> None:
        cloud = limited(cloud, Registered(image_size_total=3, image_stage_total=1))
        assert 204 == await cloud.upload((await cloud.create())["id"], 2 * MIB)
        id = (await cloud.create())["id"]
        headers = {**OCTETS, "content-length": str(len(MIB) + 1)} if told else OCTETS
        for path in ("file", "stage"):
            status, why, _ = await cloud.ask("PUT", f"/v2/images/{id}/{path}", MIB + b"1", headers=headers)
            assert (413, True) == (status, b"over its" in why or b"room for" in why)
            assert "queued" == (await cloud.show(id))["status"]
        assert 204 == (await stage(cloud, id))[0]
        assert 202 == await imported(cloud, id, asks("glance-direct"))
        assert "active" == (await cloud.show(id))["status"]
        usage = (await cloud.ask("GET", "/v2/info/usage"))[1]["usage"]
        assert {"usage": 3, "limit": 3} == usage["image_size_total"]
        assert {"usage": 2, "limit": -1} == usage["image_count_total"]
        assert 413 == await cloud.upload((await cloud.create())["id"], b"1")

    run(tmp_path, test, hard_limits=True)


def test_racing_uploads_share_the_room_there_is(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        cloud = limited(cloud, Registered(image_size_total=3))
        ids = [(await cloud.create())["id"] for _ in range(8)]
        ends = await asyncio.gather(*(cloud.upload(id, MIB) for id in ids))
        assert [204] * 3 + [413] * 5 == sorted(ends)
        assert 3 == len(cloud.stored())

    run(tmp_path, test, hard_limits=True)


def test_projects_of_one_tree_share_its_limit(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        cloud = limited(cloud, Registered(("p1", "p2"), 2, image_count_total=-1))
        await cloud.create()
        await cloud.create("bob")
        assert 413 == (await cloud.ask("POST", "/v2/images", {"name": "third"}))[0]

    run(tmp_path, test)

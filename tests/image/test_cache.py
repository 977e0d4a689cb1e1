"""The cache of images, as administrators fill and empty it, and as readers profit from it."""

from pathlib import Path

from tests.image.harness import RAW, Service, run

from pileus.image.flows.sweep import sweep

SIZE = 3 * len(RAW)


async def uploaded(cloud: Service) -> str:
    """A new image with bytes."""
    id = str((await cloud.create())["id"])
    assert 204 == await cloud.upload(id)
    return id


async def cached(cloud: Service, id: str) -> int:
    """The status of asking for it, once all is quiet."""
    status = (await cloud.ask("PUT", f"/v2/cache/{id}", token="root"))[0]
    await cloud.settle()
    return status


async def ids(cloud: Service) -> list[str]:
    """What is in the cache."""
    body = (await cloud.ask("GET", "/v2/cache", token="root"))[1]
    assert [] == body["queued_images"]
    return [one["image_id"] for one in body["cached_images"]]


def test_an_image_is_brought_and_read_from_the_cache(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = await uploaded(cloud)
        assert 403 == (await cloud.ask("GET", "/v2/cache"))[0]
        assert 404 == await cached(cloud, "nothing")
        assert 400 == await cached(cloud, (await cloud.create())["id"])
        assert 202 == await cached(cloud, id)
        assert [id] == await ids(cloud)
        (store,) = [path for path in cloud.folder.glob("*.*") if path.is_file()]
        store.write_bytes(RAW[::-1])  # what is read from now on does not come from there
        assert RAW == (await cloud.ask("GET", f"/v2/images/{id}/file"))[1]
        (one,) = (await cloud.ask("GET", "/v2/cached_images", token="root"))[1]["cached_images"]
        assert (1, len(RAW)) == (one["hits"], one["size"])
        assert [id] == [
            one["image_id"]
            for one in (await cloud.ask("GET", f"/v2/cache/nodes/{id}", token="root"))[1]["cached_nodes"]
        ]

    run(tmp_path, test, cache_size=SIZE)


def test_what_was_not_read_for_longest_makes_room(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        first, second, third = [await uploaded(cloud) for _ in range(3)]
        for id in (first, second):
            await cached(cloud, id)
            cloud.app.clock.move(10)  # type: ignore[attr-defined]
        await cloud.ask("GET", f"/v2/images/{first}/file")
        await cached(cloud, third)
        assert {first, third} == set(await ids(cloud))
        assert 2 == len(list((cloud.folder / "cached").glob("*.*")))

    run(tmp_path, test, cache_size=2 * len(RAW))


def test_the_cache_is_emptied_as_asked(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id, other = await uploaded(cloud), await uploaded(cloud)
        await cached(cloud, id)
        assert 202 == (await cloud.ask("PUT", f"/v2/cache/{other}", token="root"))[0]
        queue = {"x-image-cache-clear-target": "Queue"}
        wrong = {"x-image-cache-clear-target": "elsewhere"}
        assert 400 == (await cloud.ask("DELETE", "/v2/cache", token="root", headers=wrong))[0]
        assert 204 == (await cloud.ask("DELETE", "/v2/cache", token="root", headers=queue))[0]
        await cloud.settle()
        assert [id] == await ids(cloud)
        assert {"num_deleted": 1} == (await cloud.ask("POST", "/v2/cache/clean", token="root"))[1]
        assert 204 == (await cloud.ask("DELETE", f"/v2/cache/{id}", token="root"))[0]
        # It is not there, which is what was wanted; only of what is no image that is an error.
        assert 204 == (await cloud.ask("DELETE", f"/v2/cache/{id}", token="root"))[0]
        assert 404 == (await cloud.ask("DELETE", f"/v2/cache/{id[:-4]}0000", token="root"))[0]
        assert [] == list((cloud.folder / "cached").glob("*.*"))
        await cached(cloud, id)
        assert 204 == (await cloud.ask("DELETE", f"/v2/images/{id}"))[0]
        assert [] == await ids(cloud)
        assert "1 files removed" == await sweep(cloud.app)
        assert [] == list((cloud.folder / "cached").glob("*.*"))

    run(tmp_path, test, cache_size=SIZE)


def test_without_a_size_there_is_no_cache(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        assert 404 == (await cloud.ask("GET", "/v2/cache", token="root"))[0]
        assert 404 == await cached(cloud, await uploaded(cloud))

    run(tmp_path, test)


def test_a_project_is_told_what_it_uses(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await uploaded(cloud)
        await cloud.create()
        usage = (await cloud.ask("GET", "/v2/info/usage"))[1]["usage"]
        assert {"limit": -1, "usage": 2} == usage["image_count_total"]
        assert {"limit": -1, "usage": 1} == usage["image_size_total"]
        assert {"limit": -1, "usage": 0} == (await cloud.ask("GET", "/v2/info/usage", token="bob"))[1]["usage"][
            "image_count_total"
        ]

    run(tmp_path, test)
